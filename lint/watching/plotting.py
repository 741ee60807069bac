"""The picture: a row for each layer, its statistics and its inputs over time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from .layers import WatchedLayer
    from .monitor import Monitor

_BATCHES, _RUNNING, _INPUTS = "tab:orange", "tab:blue", "tab:green"
_WIDTH, _ROW, _HEAD = 12.0, 2.4, 0.9  # inches
_DPI, _MOST_PIXELS = 100, 30_000


def draw(monitor: Monitor, path: Path) -> None:
    """Write the picture, in the format that the file's name says.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if its format is not known.
    """
    from matplotlib.figure import Figure

    rows = max(1, len(monitor.layers))
    height = _HEAD + rows * _ROW
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    for layer, row in zip(monitor.layers, axes, strict=False):
        _draw_layer(layer, row)
    for each, title in zip(axes[0], ("mean", "variance", "inputs"), strict=True):
        each.set_title(title)
    for each in axes[-1]:
        each.set_xlabel("training step")
    figure.suptitle(
        "Batch normalization in training: median and 5 to 95 % of the channels"
    )
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        figure.savefig(unfinished, dpi=min(_DPI, _MOST_PIXELS / height))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _draw_layer(layer: WatchedLayer, axes: Any) -> None:
    means, variances, inputs = axes
    means.set_ylabel(layer.path)
    steps = [point.step for point in layer.points]
    for plot, name in ((means, "mean"), (variances, "variance")):
        for kind, colour in (("batch", _BATCHES), ("running", _RUNNING)):
            bands = [getattr(point, f"{kind}_{name}") for point in layer.points]
            label = "batches" if kind == "batch" else kind
            _draw_band(plot, steps, bands, colour, label)
    smallest = [point.batch_variance[0] for point in layer.points]
    if smallest and min(smallest) > 0:
        variances.set_yscale("log")
    _draw_inputs(inputs, layer)
    for plot in axes:
        plot.margins(x=0.02)
        if plot.get_legend_handles_labels()[0]:
            plot.legend(fontsize="x-small", loc="best")
        else:
            plot.text(0.5, 0.5, "not seen", ha="center", transform=plot.transAxes)


def _draw_inputs(plot: Any, layer: WatchedLayer) -> None:
    if not layer.inputs:
        return
    steps = [step for step, _ in layer.inputs]
    quantiles = np.asarray([each for _, each in layer.inputs])
    _draw_band(plot, steps, quantiles[:, [0, 2, 4]], _INPUTS, "5 to 95 % of the values")
    plot.fill_between(
        steps, quantiles[:, 1], quantiles[:, 3], color=_INPUTS, alpha=0.3, linewidth=0
    )


def _draw_band(
    plot: Any, steps: list[int], bands: Any, colour: str, label: str
) -> None:
    """A line of medians in a band of quantiles; bands are (low, median, high)."""
    if not steps:
        return
    low, middle, high = np.asarray(bands).T
    plot.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    marker = "o" if len(steps) == 1 else None
    plot.plot(steps, middle, color=colour, label=label, marker=marker, markersize=3)
