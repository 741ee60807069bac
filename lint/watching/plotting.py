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
    axes = figure.subplots(rows, 3, sharex=True, squeeze=False)
    for layer, row in zip(monitor.layers, axes, strict=False):
        _draw_layer(layer, row)
    axes[0, 0].set_xlim(0, max(monitor.step, 1))
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
    means.set_title(layer.path, loc="left", fontsize="medium", fontweight="bold")
    for plot, name in zip(axes, ("mean", "variance", "inputs"), strict=True):
        plot.set_ylabel(name)
    steps = [point.step for point in layer.points]
    for plot, name in ((means, "mean"), (variances, "variance")):
        for kind, colour in (("batch", _BATCHES), ("running", _RUNNING)):
            bands = [getattr(point, f"{kind}_{name}") for point in layer.points]
            label = "batches" if kind == "batch" else kind
            _draw_band(plot, steps, bands, colour, label)
    smallest = [point.batch_variance[0] for point in layer.points]
    if smallest and min(smallest) > 0:
        variances.set_yscale("log")
        variances.yaxis.set_major_formatter("{x:g}")
        variances.yaxis.set_minor_formatter(_label_of_few)
    _draw_inputs(inputs, layer)
    for plot in axes:
        if plot.get_legend_handles_labels()[0]:
            plot.legend(fontsize="x-small", loc="best")
        else:
            is_still = plot is not inputs and not layer.ever_moved
            text = "did not move" if is_still else "not seen"
            plot.text(0.5, 0.5, text, ha="center", transform=plot.transAxes)
            plot.set_yticks([])


def _label_of_few(value: float, _: int | None = None) -> str:
    """Between the powers of ten on a logarithmic axis, labels for 2, 3 and 5."""
    return f"{value:g}" if f"{value:e}"[0] in "235" else ""


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
