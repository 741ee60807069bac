"""SVG rendering of a network.

Colours are those of Okabe and Ito (2008), which colour-blind people can distinguish; a
BN also has a symbol. Nothing in a model is trusted: every text is escaped, truncated,
and stripped of characters that XML 1.0 does not allow.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import east_asian_width

from kerasbn.folding.picture.layout import BOX_HEIGHT, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kerasbn.folding.picture.layout import Layout, Line
    from kerasbn.folding.picture.network import Box, Network, Role

_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_FONT = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_LONGEST_NAME, _LONGEST_CLASS, _LONGEST_TEXT = 32, 18, 400
_LETTER, _SMALL_LETTER = 6.4, 5.2  # The width of a letter in the widest of these.
_MARGIN, _PADDING, _RADIUS = 24, 8, 4
_NARROWEST = 460
_DARK, _GREY = "#1f2933", "#4a5560"


class _Style(NamedTuple):
    """The look of a box, and its meaning."""

    meaning: str
    fill: str
    stroke: str
    text: str = _DARK
    small: str = "#66727f"
    dashed: bool = False
    sign: str = ""  # A path in a square of 8 by 8.


_STYLES: dict[Role, _Style] = {
    "backward": _Style(
        "folded into layers before it",
        fill="#d9ebf7",
        stroke="#0072b2",
        dashed=True,
        sign="M0 6.5 4 .5 8 6.5Z",
    ),
    "forward": _Style(
        "folded into layers after it",
        fill="#d5f0e7",
        stroke="#007a5a",
        dashed=True,
        sign="M0 1.5 4 7.5 8 1.5Z",
    ),
    "kept": _Style(
        "kept",
        fill="#b84a00",
        stroke="#8a3700",
        text="#ffffff",
        small="#ffe3d1",
        sign="M0 0H8V8H0Z",
    ),
    "absorber": _Style("layer that absorbs BN", "#fff3cf", "#b88a00"),
    "other": _Style("other layer", "#f4f6f8", "#c9d1d9"),
}


def draw(network: Network, headline: str) -> str:
    """Draw a network.

    Args:
        network: what to draw.
        headline: a line to print below the model's name.

    Returns:
        An SVG document, the same for the same network.
    """
    boxes = network.boxes
    box_width = _box_width(boxes)
    layout = lay_out(boxes, box_width)
    width = max(layout.width, _NARROWEST) + 2 * _MARGIN
    legend, top = _legend(boxes, width)
    bottom = top + layout.height + (30 if network.missing else 0)
    size = f'width="{_n(width)}" height="{_n(bottom + _MARGIN)}"'
    view = f"0 0 {_n(width)} {_n(bottom + _MARGIN)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} '
            f'viewBox="{view}" font-family="{_FONT}" font-size="11">',
            f"<title>{_text(network.name)}: {_text(headline)}</title>",
            f'<rect {size} fill="#ffffff"/>',
            f'<text x="{_MARGIN}" y="36" font-size="17" font-weight="600" '
            f'fill="{_DARK}">{_text(_cut(network.name, 40))}</text>',
            f'<text x="{_MARGIN}" y="56" font-size="12" fill="{_GREY}">'
            f"{_text(headline)}</text>",
            *legend,
            f'<g transform="translate({_MARGIN} {_n(top)})">',
            *_lines(layout),
            *_boxes(boxes, layout, box_width),
            "</g>",
            *_missing(network.missing, bottom),
            "</svg>\n",
        ]
    )


def _missing(number: int, y: float) -> Iterator[str]:
    if number:
        yield (
            f'<text x="{_MARGIN}" y="{_n(y)}" font-size="12" fill="{_GREY}">'
            f"{number:,} more layer calls are not drawn.</text>"
        )


def _box_width(boxes: Sequence[Box]) -> int:
    """Return the width that the longest texts need."""
    return max((_needed(box) for box in boxes), default=0)


def _needed(box: Box) -> int:
    name, kind = _labels(box)
    sign = 14 if _STYLES[box.role].sign else 0
    texts = _LETTER * _letters(name) + 8 + _SMALL_LETTER * _letters(kind)
    return round(2 * _PADDING + sign + texts)


def _letters(text: str) -> float:
    """Return how many small letters are as wide as a text."""
    return sum(
        2.0 if east_asian_width(letter) in "WF" else 1.25 if letter.isupper() else 1.0
        for letter in text
    )


def _labels(box: Box) -> tuple[str, str]:
    kind = "BN" if box.class_name == "BatchNormalization" else box.class_name
    return _cut(box.path, _LONGEST_NAME), _cut(kind, _LONGEST_CLASS)


def _boxes(boxes: Sequence[Box], layout: Layout, width: int) -> Iterator[str]:
    for role, style in _STYLES.items():
        placed = [
            (box, corner)
            for box, corner in zip(boxes, layout.boxes, strict=True)
            if box.role == role
        ]
        if placed:
            dashes = ' stroke-dasharray="3 2"' if style.dashed else ""
            yield f'<g fill="{style.fill}" stroke="{style.stroke}"{dashes}>'
            yield from (_box(box, style, *corner, width) for box, corner in placed)
            yield "</g>"


def _box(box: Box, style: _Style, x: float, y: float, width: int) -> str:
    name, kind = _labels(box)
    about = [f"{box.class_name} {box.path}", *box.about]
    title = "\n".join(_cut(line, _LONGEST_TEXT) for line in about[:12])
    text = x + _PADDING + (14 if style.sign else 0)
    return (
        f"<g><title>{_text(title)}</title>"
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{width}" height="{BOX_HEIGHT}" rx="4"/>'
        f"{_sign(style, x + _PADDING, y + 6)}"
        f'<text x="{_n(text)}" y="{_n(y + 14)}" stroke="none" fill="{style.text}">'
        f"{_text(name)}</text>"
        f'<text x="{_n(x + width - _PADDING)}" y="{_n(y + 13.5)}" text-anchor="end" '
        f'font-size="9" stroke="none" fill="{style.small}">{_text(kind)}</text></g>'
    )


def _sign(style: _Style, x: float, y: float) -> str:
    if not style.sign:
        return ""
    colour = style.stroke if style.dashed else style.text
    return (
        f'<path transform="translate({_n(x)} {_n(y)})" d="{style.sign}" '
        f'fill="{colour}" stroke="none"/>'
    )


def _legend(boxes: Sequence[Box], width: float) -> tuple[list[str], float]:
    """Return the legend, and the position where the content below it begins."""
    layers = {box.path: box.role for box in boxes}
    counts = Counter(layers.values())
    parts: list[str] = []
    x, y = float(_MARGIN), 70.0
    for role, style in _STYLES.items():
        text = f"{style.meaning} ({counts[role]})"
        needed = 32 + 6.6 * len(text) + 18
        if x > _MARGIN and x + needed > width - _MARGIN:
            x, y = float(_MARGIN), y + 22
        dashes = ' stroke-dasharray="3 2"' if style.dashed else ""
        parts.append(
            f'<g><rect x="{_n(x)}" y="{_n(y)}" width="24" height="14" rx="3" '
            f'fill="{style.fill}" stroke="{style.stroke}"{dashes}/>'
            f"{_sign(style, x + 8, y + 3)}"
            f'<text x="{_n(x + 32)}" y="{_n(y + 11)}" fill="{_GREY}">{text}</text></g>'
        )
        x += needed
    return parts, y + 14 + _MARGIN


def _lines(layout: Layout) -> Iterator[str]:
    yield '<g fill="none" stroke="#8b96a3" stroke-width="1.2">'
    yield from (f'<path d="{_path(line)}"/>' for line in layout.lines)
    yield "</g>"


def _path(line: Line) -> str:
    """Return a line with rounded corners."""
    (x, y), *rest = line
    parts = [f"M{_n(x)} {_n(y)}"]
    for corner, after in pairwise(rest):
        before = _towards(corner, (x, y))
        behind = _towards(corner, after)
        parts.append(
            f"L{_n(before[0])} {_n(before[1])}"
            f"Q{_n(corner[0])} {_n(corner[1])} {_n(behind[0])} {_n(behind[1])}"
        )
        x, y = corner
    parts.append(f"L{_n(rest[-1][0])} {_n(rest[-1][1])}")
    return "".join(parts)


def _towards(
    corner: tuple[float, float], other: tuple[float, float]
) -> tuple[float, float]:
    """Return the point at most a radius from a corner, at most half way to another."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    share = min(_RADIUS, length / 2) / length if length else 0.0
    return corner[0] + share * dx, corner[1] + share * dy


def _cut(text: str, longest: int) -> str:
    """Shorten a long text in its middle."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text), quote=False)


def _n(number: float) -> str:
    """Format a number with as few digits as a picture needs."""
    return f"{number:.1f}".rstrip("0").rstrip(".")
