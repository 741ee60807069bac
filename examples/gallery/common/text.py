"""Numbers as text: spreads, tables, sentences."""

from __future__ import annotations

import textwrap

import numpy as np


def spread(values, form: str = ".1f") -> str:
    """Give the median, and the range in parentheses."""
    middle, low, high = np.median(values), np.min(values), np.max(values)
    if len(values) == 1 or format(low, form) == format(high, form):
        return format(middle, form)
    return f"{middle:{form}} ({low:{form}}..{high:{form}})"


def sentence(text: str) -> str:
    """Break a text into lines."""
    return textwrap.fill(text, 88, break_on_hyphens=False)


def table(head: list[str], rows: list[list[object]]) -> str:
    """Set out rows of text: the first column to the left, the others to the right."""
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
