"""The result in a notebook, as HTML that needs no external style sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from kerasbn.writing import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kerasbn.folding.report import FoldResult

# Larger pictures would slow notebooks down, and are better viewed separately.
_LARGEST_PICTURE = 200_000


def as_html(result: FoldResult) -> str:
    """Render a summary, kept layers with reasons, folded ones, and the picture."""
    proof = _text(result.proven)
    parts = [f"<p><b>{result.headline}</b>, {proof}</p>", _sizes(result)]
    if result.kept:
        rows = [(bn["layer"], bn["reason"]) for bn in result.kept]
        parts.append(_details("Kept", _table(("BN layer", "reason"), rows), open_=True))
    if result.folded:
        gone = [
            (bn["layer"], bn["route"], ", ".join(bn["into"])) for bn in result.folded
        ]
        parts.append(_details("Folded", _table(("BN layer", "route", "into"), gone)))
    parts += [f"<p>Note: {_text(note)}</p>" for note in result.notes]
    return f"<div>{''.join(parts)}{_picture(result)}</div>"


def _text(value: str) -> str:
    return escape(visible(value))


def _sizes(result: FoldResult) -> str:
    sizes = [("before", result.before), ("after", result.after)]
    rows = [(title, *size.texts()) for title, size in sizes if size is not None]
    return _table(("", "layers", "parameters", "file"), rows) if rows else ""


def _picture(result: FoldResult) -> str:
    picture = result.picture() if result.network.boxes else ""
    if not picture:
        return ""
    if len(picture) > _LARGEST_PICTURE:
        return "<p>Picture: <code>result.save_picture('network.svg')</code></p>"
    return _details("Picture", f'<div style="overflow: auto">{picture}</div>')


def _details(title: str, content: str, open_: bool = False) -> str:
    start = "<details open>" if open_ else "<details>"
    return f"{start}<summary>{title}</summary>{content}</details>"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
