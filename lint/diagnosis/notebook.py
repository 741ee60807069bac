"""The report in a notebook, as HTML that needs no external style sheet."""

from __future__ import annotations

from html import escape
from math import isfinite
from typing import TYPE_CHECKING

from . import sentences
from .tables import LAYER_TITLES, USE_TITLES, layer_rows, score_rows, use_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .report import Diagnosis

_COLOURS = {"certain": "#c62828", "likely": "#ef6c00", "possible": "#9e9d24"}
_BAR = 160  # pixels


def as_html(diagnosis: Diagnosis) -> str:
    """Render the verdict, the causes, the trial, and tables of measurements."""
    colour = "#2e7d32" if diagnosis.healthy else "#c62828"
    parts = [f'<p style="color: {colour}"><b>{escape(diagnosis.headline)}.</b></p>']
    parts += [f"<p>{escape(fact)}</p>" for fact in sentences.facts(diagnosis)]
    parts += [_cause(diagnosis, index) for index in range(len(diagnosis.causes))]
    if tried := sentences.trial(diagnosis):
        parts.append(f"<p>{escape(tried)}</p>")
    if diagnosis.remedy:
        parts.append(f"<pre>{escape(diagnosis.remedy)}</pre>")
    titles, rows = score_rows(diagnosis)
    bars = _bars(diagnosis, [row[0] for row in rows])
    table = [[*map(escape, row), bar] for row, bar in zip(rows, bars, strict=True)]
    parts.append(_table([*titles, ""], table))
    if diagnosis.layers:
        layers = _escaped(layer_rows(diagnosis))
        parts.append(_details("Layers", _table(LAYER_TITLES, layers), open_=True))
        uses = _escaped(use_rows(diagnosis))
        parts.append(_details("Modes", _table(USE_TITLES, uses)))
    return f"<div>{''.join(parts)}</div>"


def _cause(diagnosis: Diagnosis, index: int) -> str:
    cause = diagnosis.causes[index]
    layers = sentences.layers_named(cause, len(diagnosis.layers))
    suffix = f": {escape(layers)}" if layers else ""
    return (
        f'<p><b style="color: {_COLOURS[cause.certainty]}">{escape(cause.name)}</b> '
        f"({cause.certainty}){suffix}<br>{escape(sentences.sentence(cause.evidence))}<br>"
        f"To do: {escape(cause.advice)}.</p>"
    )


def _bars(diagnosis: Diagnosis, modes: Sequence[str]) -> list[str]:
    """Return a bar for each mode, as long as its loss, if no loss is negative."""
    losses = [diagnosis.scores[mode].loss.mean for mode in modes]
    most = max((loss for loss in losses if isfinite(loss)), default=0.0)
    if most <= 0 or min(losses) < 0:
        return ["" for _ in modes]
    return [
        f'<div style="width: {_BAR * (loss if isfinite(loss) else most) / most:.0f}px; '
        'height: 0.8em; background: #5b8db8"></div>'
        for loss in losses
    ]


def _escaped(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    return [[escape(cell) for cell in row] for row in rows]


def _details(title: str, content: str, open_: bool = False) -> str:
    start = "<details open>" if open_ else "<details>"
    return f"{start}<summary>{title}</summary>{content}</details>"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table of cells that are already HTML."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
