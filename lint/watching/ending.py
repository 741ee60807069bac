"""What watching leaves at the end: a table and a picture."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ..errors import UsageError
from .notices import WatchWarning

if TYPE_CHECKING:
    from .layers import WatchedLayer
    from .monitor import Monitor


def check_options(every: Any, plot: Any) -> None:
    """Refuse what would fail only when the training is over.

    Raises:
        UsageError: if an option is wrong, or Matplotlib is missing for a picture.
    """
    is_count = isinstance(every, int) and not isinstance(every, bool) and every > 0
    if every is not None and not is_count:
        raise UsageError(
            "`every` is a number of steps, or None for as often as is cheap. "
            f"Received: every={every!r}."
        )
    if plot is None:
        return
    if not isinstance(plot, str | os.PathLike):
        raise UsageError(f"`plot` is the path of a picture. Received: plot={plot!r}.")
    if find_spec("matplotlib") is None:
        raise UsageError(
            "A picture needs Matplotlib, which is not installed. "
            f"Received: plot={plot!r}. Run pip install matplotlib, or leave it out."
        )
    if not Path(plot).resolve().parent.is_dir():
        raise UsageError(
            f"The folder of the picture does not exist. Received: plot={plot!r}. "
            "Create it first."
        )


def finish(monitor: Monitor, plot: Any, verbose: bool) -> None:
    """Print the table and draw the picture, if they are wanted."""
    if verbose:
        # Names of layers are no markup.
        Console(highlight=False, markup=False, emoji=False).print(_table(monitor))
    if plot is not None:
        from .plotting import draw

        try:
            draw(monitor, Path(plot))
        except (OSError, ValueError) as error:  # no reason to lose the training
            warnings.warn(
                f"The picture could not be drawn: {error}. Received: plot={plot!r}.",
                WatchWarning,
                stacklevel=2,
            )


def _table(monitor: Monitor) -> Table:
    table = Table(title=_title(monitor), title_justify="left")
    table.add_column("layer", overflow="fold")
    for name in ("momentum", "mean off by", "variance off by", "constant"):
        table.add_column(name, justify="right")
    table.add_column("warnings", overflow="fold")
    for layer in monitor.layers:
        table.add_row(*_row(layer, monitor))
    return table


def _title(monitor: Monitor) -> str:
    title = f"Batch normalization after {monitor.step:,} steps"
    if not monitor.layers:
        return f"{title}: none that is not frozen"
    if monitor.losses:
        last = monitor.losses[-1]
        title += (
            f"; the same batch: loss {last.training:.4g} in training mode, "
            f"{last.inference:.4g} in inference mode"
        )
    return title


def _row(layer: WatchedLayer, monitor: Monitor) -> tuple[str, ...]:
    lag, momentum = layer.lag(), layer.momentum
    kinds = [each.kind for each in monitor.notices.given if each.layer == layer.path]
    return (
        layer.path,
        "average" if momentum is None else f"{momentum:g}",
        "-" if lag is None else f"{lag.shift:.2f} std",
        "-" if lag is None else f"{lag.ratio:.2f} x",
        f"{layer.dead_channels()} of {layer.channels}",
        ", ".join(kinds) or ("ok" if layer.ever_moved else "did not move"),
    )
