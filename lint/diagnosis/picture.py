"""The picture: loss in each mode, the worst layers, and a strip of all of them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pictures import check_picture, label_by_factors, save_figure
from . import sentences
from .tables import MODES_IN_ORDER, part

if TYPE_CHECKING:
    from .report import Diagnosis

_MOST_LAYERS = 8
_WIDTH, _HEIGHT = 11.0, 5.2  # inches
_GOOD, _BAD, _AFTER = "#5b8db8", "#c62828", "#2e7d32"
_FAR_SHIFT, _FAR_DOUBLINGS = 0.5, 1.0


def save(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the picture, in the format given by the file's name.

    Raises:
        UsageError: if Matplotlib is missing, or the file cannot be written.
    """
    check_picture(path, "path")
    save_figure(_figure(diagnosis), Path(path), "path")


def _figure(diagnosis: Diagnosis) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    colour = _AFTER if diagnosis.healthy else _BAD
    title = "\n".join(textwrap.wrap(diagnosis.headline, 90))
    figure.suptitle(title, color=colour, fontweight="bold")
    if not diagnosis.layers:
        _draw_scores(diagnosis, figure.subplots())
    else:
        upper: Any = figure
        if len(diagnosis.layers) > _MOST_LAYERS:
            parts: Any = figure.subfigures(2, 1, height_ratios=[4, 1])
            upper, lower = parts
            _draw_strip(diagnosis, lower.subplots())
        left, middle, right = upper.subplots(1, 3, width_ratios=[3, 2, 2])
        _draw_scores(diagnosis, left)
        _draw_layers(diagnosis, middle, right)
    remedy = f"Remedy: {diagnosis.remedy}" if diagnosis.remedy else ""
    figure.supxlabel(remedy, fontsize="medium", color=_AFTER, family="monospace")
    return figure


def _draw_scores(diagnosis: Diagnosis, axes: Any) -> None:
    names = [mode for mode in MODES_IN_ORDER if mode in diagnosis.scores]
    spreads = [diagnosis.scores[name].loss for name in names]
    values = np.nan_to_num([spread.mean for spread in spreads], posinf=0, neginf=0)
    errors = np.nan_to_num([spread.deviation for spread in spreads], posinf=0)
    colours = [_BAD if index == 0 else _GOOD for index in range(len(names))]
    if diagnosis.healthy:
        colours[0] = _GOOD
    if diagnosis.remedy:
        colours[-1] = _AFTER
    labels = ["\n".join(textwrap.wrap(name, 22)) for name in names]
    axes.barh(labels, values, xerr=errors, color=colours, error_kw={"lw": 1})
    for index, spread in enumerate(spreads):
        axes.annotate(
            f" {sentences.number(spread.mean)}",
            (values[index] + errors[index], index),
            va="center",
            fontsize="small",
        )
    axes.margins(x=0.18)
    axes.invert_yaxis()
    has_loss = diagnosis.evidence.has_loss
    what = "loss" if has_loss else "distance of the outputs"
    axes.set_title(f"{what}, with its spread over batches", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_layers(diagnosis: Diagnosis, shifts: Any, ratios: Any) -> None:
    worst = [layer for layer in diagnosis.layers if layer.distance][:_MOST_LAYERS]
    labels = [_label(layer.path, layer.share) for layer in worst]
    positions = np.arange(len(worst))
    for axes, values, title in (
        (shifts, [layer.distance.shift for layer in worst if layer.distance], "mean"),
        (
            ratios,
            [np.log2(layer.distance.ratio) for layer in worst if layer.distance],
            "variance",
        ),
    ):
        finite = np.nan_to_num(values, nan=0, posinf=0)
        far = _FAR_SHIFT if axes is shifts else _FAR_DOUBLINGS
        colours = [_BAD if not value <= far else _GOOD for value in values]
        axes.barh(positions, finite, color=colours)
        axes.set_xlim(0, max(1.0, 1.1 * float(finite.max(initial=0))))
        axes.axvline(far, color="gray", linestyle=":", linewidth=1)
        if axes is ratios:
            label_by_factors(axes.xaxis)
        axes.invert_yaxis()
        axes.set_yticks(positions, labels if axes is shifts else [])
        axes.set_title(f"{title} off by", fontsize="medium")
        axes.set_xlabel("standard deviations" if axes is shifts else "a factor of")
        axes.spines[["top", "right"]].set_visible(False)
        for index, value in enumerate(values):
            if not np.isfinite(value):
                axes.annotate(" not finite", (0, index), va="center", color=_BAD)


def _label(path: str, share: float | None) -> str:
    name = sentences.printable(path)
    name = name if len(name) <= 24 else f"...{name[-21:]}"
    explained = part(share)
    return f"{name}\nalone explains {explained}" if explained else name


def _draw_strip(diagnosis: Diagnosis, axes: Any) -> None:
    """Draw a cell for each layer in the model's order, darker the farther off it is."""
    by_path = {layer.path: layer.distance for layer in diagnosis.layers}
    order = [by_path[path] for path in diagnosis.modes]
    rows = [
        [distance.shift if distance else np.nan for distance in order],
        [np.log2(distance.ratio) if distance else np.nan for distance in order],
    ]
    axes.imshow(
        np.nan_to_num(np.asarray(rows), nan=4, posinf=4),
        aspect="auto",
        cmap="Reds",
        vmin=0,
        vmax=2,
    )
    axes.set_yticks([0, 1], ["mean", "variance"])
    axes.set_xticks([0, len(order) - 1] if len(order) > 1 else [0])
    axes.set_xticklabels(["first", "last"] if len(order) > 1 else ["the layer"])
    axes.set_title(
        "all layers, in the model's order: the darker, the farther off",
        fontsize="medium",
    )
