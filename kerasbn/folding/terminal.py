"""The result in a terminal. Colours are left out where nobody would see them."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kerasbn.folding.abridging import abridged

if TYPE_CHECKING:
    from pathlib import Path

    from kerasbn.folding.report import FoldResult
    from kerasbn.folding.sizes import ModelSize


def print_result(
    result: FoldResult, *, dry_run: bool, verify: bool, picture: Path | None
) -> None:
    """Print what was folded, what was kept and why, the sizes, and the proof.

    Args:
        result: the result.
        dry_run: whether nothing was written.
        verify: whether a proof was asked for.
        picture: the picture that was written.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Rather a `?` than a traceback.
    console = Console(highlight=False)
    if result.batch_norms:
        console.print(_fates(result))
    done = "would be folded" if dry_run else "folded"
    console.print(f"{len(result.folded)} of {result.batch_norms} BN layers {done}.")
    if result.before is not None and result.after is not None:
        console.print(_sizes(result.before, result.after))
    for note in result.notes:
        console.print(f"Note: {escape(note)}")
    if result.verified:
        console.print(_proof(result))
    elif not verify and not dry_run:
        console.print("Not verified, as asked with --no-verify.")
    if not dry_run:
        console.print(f"Written: {escape(str(result.destination))}", soft_wrap=True)
    if picture is not None:
        console.print(f"Picture: {escape(str(picture))}", soft_wrap=True)


def _fates(result: FoldResult) -> Table:
    """What became of each BN. Of many alike, the first few stand for all."""
    table = Table(box=None, pad_edge=False)
    table.add_column("BN layer", overflow="fold")
    table.add_column("became of it", overflow="fold")
    for folded, more in abridged(result.folded):
        into = ", ".join(folded["into"])
        table.add_row(escape(folded["layer"]), f"[green]folded[/] into {escape(into)}")
        if more:
            table.add_row(f"... {more} more", "[green]folded[/] likewise")
    for kept, more in abridged(result.kept):
        reason = escape(kept["reason"])
        table.add_row(escape(kept["layer"]), f"[yellow]kept[/]: {reason}")
        if more:
            table.add_row(f"... {more} more", "[yellow]kept[/] for like reasons")
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
    exact, usual = result.error["float64"], result.error["float32"]
    how = "Verified in parts" if result.proof.scope == "parts" else "Verified"
    text = f"{how}: relative error {exact:.1e} in float64"
    if result.proof.not_run:
        text += f" (not run: {escape(', '.join(result.proof.not_run))})"
    if usual is None:
        return f"{text}."
    return (
        f"{text}; {usual:.1e} in the model's own precision, where the original itself "
        f"has a noise of {result.noise:.1e}."
    )
