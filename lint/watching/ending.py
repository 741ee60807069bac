"""The end of monitoring: a table and a picture."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..errors import UsageError
from ..pictures import check_picture
from .notices import WatchWarning
from .table import table, title

if TYPE_CHECKING:
    from .monitor import Monitor


def check_options(every: Any, plot: Any) -> None:
    """Refuse options that would fail only when training is over.

    Raises:
        UsageError: if an option is wrong, or Matplotlib is missing for a picture.
    """
    is_count = isinstance(every, int) and not isinstance(every, bool) and every > 0
    if every is not None and not is_count:
        raise UsageError(
            "`every` must be a number of steps, or None for as often as is cheap. "
            f"Received: every={every!r}."
        )
    if plot is not None:
        check_picture(plot, "plot")


def finish(monitor: Monitor, plot: Any, verbose: bool) -> None:
    """Print the table and draw the picture, if they are requested."""
    if verbose:
        # Layer names are not markup.
        console = Console(highlight=False, markup=False, emoji=False)
        console.print(title(monitor), style="bold")
        if monitor.layers:
            console.print(table(monitor))
    if plot is not None:
        from .plotting import draw

        try:
            draw(monitor, Path(plot))
        except UsageError as error:  # no reason to lose the training
            warnings.warn(str(error), WatchWarning, stacklevel=2)
