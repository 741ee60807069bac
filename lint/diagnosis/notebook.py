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

# Readable on white and on black.
_RED, _GREEN = "#d84343", "#388e3c"
_COLOURS = {"certain": _RED, "likely": "#d9690a", "possible": "#8d8b1d"}
_BAR = 160  # pixels


def as_html(diagnosis: Diagnosis) -> str:
    """Render the verdict, the causes, the trial, and tables of measurements."""
    colour = _GREEN if diagnosis.healthy else _RED
    parts = [f'<p style="color: {colour}"><b>{escape(diagnosis.headline)}.</b></p>']
    parts += [f"<p>{escape(fact)}</p>" for fact in sentences.facts(diagnosis)]
    parts += [_cause(diagnosis, index) for index in range(len(diagnosis.causes))]
    if tried := sentences.trial(diagnosis):
        parts.append(f"<p>{escape(tried)}</p>")
    if diagnosis.remedy:
        parts.append(f"<p>Remedy: <code>{escape(diagnosis.remedy)}</code></p>")
    titles, rows = score_rows(diagnosis)
    bars = _bars(diagnosis, [row[0] for row in rows])
    table = [
        [*row[:2], bar, *row[2:]] for row, bar in zip(_escaped(rows), bars, strict=True)
    ]
    parts.append(_table([*titles[:2], "", *titles[2:]], table))
    if diagnosis.layers:
        layers = _escaped(layer_rows(diagnosis))
        parts.append(_details("Layers", _table(LAYER_TITLES, layers), open_=True))
        uses = _escaped(use_rows(diagnosis))
        parts.append(_details("Statistics used", _table(USE_TITLES, uses)))
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
    head = _row("th", map(escape, titles))
    return f"<table>{head}{''.join(_row('td', row) for row in rows)}</table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    """Render a row; the first cell is a name, and numbers follow."""
    first, *others = cells
    content = f'<{tag} style="text-align: left">{first}</{tag}>'
    return f"<tr>{content}{''.join(f'<{tag}>{cell}</{tag}>' for cell in others)}</tr>"
