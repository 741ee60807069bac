"""Figures in one style, and their files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

# Okabe and Ito's colours, which colour-blind people can tell apart.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
_LARGEST = 100_000  # bytes of a picture


def panels(rows: int = 1, columns: int = 1, width: float = 9.0, height: float = 3.6):
    """Make a figure and its panels, an array of two dimensions."""
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes


def band(axes, x, runs, colour, label, style="-", shade=0.15) -> None:
    """Draw the median of runs (runs, points) as a line, and their range as a band."""
    runs = np.asarray(runs, float)
    axes.plot(x, np.median(runs, axis=0), style, color=colour, label=label, ms=4)
    if len(runs) > 1:
        low, high = runs.min(axis=0), runs.max(axis=0)
        axes.fill_between(x, low, high, color=colour, alpha=shade, linewidth=0)


def save(figure: Figure, path: Path) -> None:
    """Write a picture; a PNG with few enough colours to be at most 100 kB."""
    if path.suffix != ".png":
        figure.savefig(path)
        return
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    picture = Image.open(buffer).convert("RGB")
    for colours in (256, 64, 24):
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= _LARGEST:
            return
