"""The report as text, for a terminal and for `print`."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from . import sentences
from .tables import LAYER_TITLES, USE_TITLES, layer_rows, score_rows, use_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .report import Diagnosis

_WIDTH = 100


def as_text(diagnosis: Diagnosis) -> str:
    """Return the report without colours."""
    file = StringIO()
    print_report(diagnosis, Console(file=file, width=_WIDTH, color_system=None))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def print_report(diagnosis: Diagnosis, console: Console) -> None:
    """Print causes, trial, remedy, and measurements."""
    colour = "green" if diagnosis.healthy else "red"
    console.print(Text(f"{diagnosis.headline}.", style=f"bold {colour}"))
    for fact in sentences.facts(diagnosis):
        console.print(Text(fact))
    total = len(diagnosis.layers)
    for cause in diagnosis.causes:
        layers = sentences.layers_named(cause, total)
        title = f"{cause.name} ({cause.certainty})" + (f": {layers}" if layers else "")
        console.print(Text(f"\n{title}", style="bold"))
        console.print(Padding(Text(sentences.sentence(cause.evidence)), (0, 0, 0, 2)))
        console.print(Padding(Text(f"To do: {cause.advice}."), (0, 0, 0, 2)))
    if tried := sentences.trial(diagnosis):
        console.print(Text(f"\n{tried}"))
    if diagnosis.remedy:
        remedy = Text("Remedy: ").append(diagnosis.remedy, style="bold green")
        console.print(remedy, soft_wrap=True)
    console.print()
    console.print(_table(*score_rows(diagnosis)))
    if diagnosis.layers:
        console.print()
        console.print(_table(LAYER_TITLES, layer_rows(diagnosis)))
        console.print()
        console.print(_table(USE_TITLES, use_rows(diagnosis)))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for index, title in enumerate(titles):
        is_name = index == 0
        table.add_column(
            Text(title),
            justify="left" if is_name or titles is USE_TITLES else "right",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))  # Layer names are not markup.
    return table
