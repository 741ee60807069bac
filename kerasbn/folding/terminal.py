"""Progress and result in a terminal, with colours only where they are visible."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

from rich import markup
from rich.console import Console
from rich.table import Table

from kerasbn.folding.abridging import abridged
from kerasbn.writing import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kerasbn.folding.report import FoldResult
    from kerasbn.folding.sizes import ModelSize


class _Console(Console):
    """A console that leaves a broken pipe to its caller."""

    def on_broken_pipe(self) -> None:
        raise


@contextmanager
def progress() -> Iterator[Callable[[str], object]]:
    """Yield a function that shows the current step and its elapsed time.

    It writes to the standard error if that is a terminal, and clears it at the end.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    # A separate stream: the usual one is silent while libraries are loaded.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as file:
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        bar = Progress(
            *columns, TimeElapsedColumn(), console=Console(file=file), transient=True
        )
        with bar:
            task = bar.add_task("", total=None)
            yield lambda step: bar.reset(task, total=None, description=_text(step))


def print_result(
    result: FoldResult, *, dry_run: bool, verify: bool, picture: Path | None
) -> None:
    """Print the folded layers, the kept ones with reasons, the sizes, and the proof.

    Args:
        result: the result.
        dry_run: whether nothing was written.
        verify: whether a proof was asked for.
        picture: the picture that was written.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # A `?` is better than a traceback.
    console = _Console(highlight=False)
    if result.batch_norms:
        console.print(_outcomes(result))
    done = "would be folded" if dry_run else "folded"
    console.print(f"{len(result.folded)} of {result.batch_norms} BN layers {done}.")
    if result.before is not None and result.after is not None:
        console.print(_sizes(result.before, result.after))
    for note in result.notes:
        console.print(f"Note: {_text(note)}")
    if result.verified:
        console.print(_proof(result))
    elif not verify and not dry_run:
        console.print("Not verified (--no-verify).")
    if (run := result.export_run) is not None:
        console.print(
            f"{run.format} export run: relative error {run.error:.1e}; rounding "
            f"explains up to {run.limit:.1e}."
        )
    if not dry_run:
        console.print(f"Written: {_text(result.destination)}", soft_wrap=True)
    if picture is not None:
        console.print(f"Picture: {_text(picture)}", soft_wrap=True)


def _outcomes(result: FoldResult) -> Table:
    """The outcome of each BN; the first few of many similar ones stand for all."""
    table = Table(box=None, pad_edge=False)
    table.add_column("BN layer", overflow="fold")
    table.add_column("outcome", overflow="fold")
    for folded, more in abridged(result.folded):
        into = ", ".join(folded["into"])
        table.add_row(_text(folded["layer"]), f"[green]folded[/] into {_text(into)}")
        if more:
            table.add_row(f"... {more} more", "[green]folded[/] likewise")
    for kept, more in abridged(result.kept):
        reason = _text(kept["reason"])
        table.add_row(_text(kept["layer"]), f"[yellow]kept[/]: {reason}")
        if more:
            table.add_row(f"... {more} more", "[yellow]kept[/] for similar reasons")
    return table


def _sizes(before: ModelSize, after: ModelSize) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("layers", "parameters", "file"):
        table.add_column(title, justify="right")
    for title, size in (("before", before), ("after", after)):
        table.add_row(title, *size.texts())
    return table


def _proof(result: FoldResult) -> str:
    usual = result.error["float32"]
    text = f"V{_text(result.proven)[1:]}"
    if usual is None:
        return f"{text}."
    return (
        f"{text}; {usual:.1e} in the model's own precision, where the original itself "
        f"has a noise of {result.noise:.1e}."
    )


def _text(value: object) -> str:
    """Prepare text from a file for Rich and the terminal."""
    return markup.escape(visible(value))
