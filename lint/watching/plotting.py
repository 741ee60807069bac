"""The picture: the worst layers over time, and how far each layer was behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..pictures import label_by_factors, save_figure
from .table import worst_first

if TYPE_CHECKING:
    from pathlib import Path

    from .layers import WatchedLayer
    from .monitor import Monitor

_BATCHES, _RUNNING, _INPUTS = "tab:orange", "tab:blue", "tab:green"
_WIDTH, _ROW, _HEAD = 12.0, 2.2, 0.9  # inches
_MOST_ROWS = 4  # of layers in detail
_CELL, _LEAST_MAP = 0.16, 1.4  # inches: of a layer in the map, and of the map
_MOST_NAMES = 60  # next to the map
_FEW_DECADES = 50
_FAR_SHIFT, _FAR_DOUBLINGS = 1.0, 2.0  # where the colours end


def draw(monitor: Monitor, path: Path) -> None:
    """Write the picture, in the format given by the file's name.

    Raises:
        UsageError: if its format is not known, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    seen = [layer for layer in worst_first(monitor) if layer.points]
    rows = seen[:_MOST_ROWS]
    has_map = len(monitor.layers) > _MOST_ROWS and any(e.lags for e in monitor.layers)
    map_height = max(_LEAST_MAP, _CELL * len(monitor.layers)) if has_map else 0.0
    row_height = max(1, len(rows)) * _ROW
    figure = Figure(
        figsize=(_WIDTH, _HEAD + row_height + map_height), layout="constrained"
    )
    upper: Any = figure
    if has_map:
        parts: Any = figure.subfigures(2, 1, height_ratios=[row_height, map_height])
        upper, lower = parts
        _draw_map(monitor, lower)
    if rows:
        _draw_rows(rows, monitor, upper)
    else:
        text = "No update of the running statistics was seen."
        upper.text(0.5, 0.4, text, ha="center")
    figure.suptitle(_title(rows, monitor))
    save_figure(figure, path, "plot")


def _title(rows: list[WatchedLayer], monitor: Monitor) -> str:
    title = "Batch normalization in training: median and 5 to 95 % of the channels"
    if len(rows) < len(monitor.layers):
        title += f", of the {len(rows)} layers that are the farthest off"
    return title


def _draw_rows(rows: list[WatchedLayer], monitor: Monitor, figure: Any) -> None:
    has_inputs = any(sublayer.inputs for sublayer in rows)
    axes = figure.subplots(
        len(rows), 3 if has_inputs else 2, sharex=True, squeeze=False
    )
    for index, (layer, row) in enumerate(zip(rows, axes, strict=True)):
        _draw_layer(layer, row, has_legend=not index)
    last = max(monitor.step, 1)
    axes[0, 0].set_xlim(0, last * 1.03)  # so that a look at the end is seen whole
    axes[0, 0].xaxis.get_major_locator().set_params(integer=True)
    for axis in axes[-1]:
        axis.set_xlabel("training step")


def _draw_layer(layer: WatchedLayer, axes: Any, has_legend: bool) -> None:
    means, variances, *inputs = axes
    means.set_title(layer.path, loc="left", fontsize="medium", fontweight="bold")
    for plot, name in zip(axes, ("mean", "variance", "inputs"), strict=False):
        plot.set_ylabel(name)
    steps = [point.step for point in layer.points]
    for plot, name in ((means, "mean"), (variances, "variance")):
        for kind, colour in (("batch", _BATCHES), ("running", _RUNNING)):
            bands = [getattr(point, f"{kind}_{name}") for point in layer.points]
            label = "batches" if kind == "batch" else kind
            _draw_band(plot, steps, bands, colour, label)
    _scale_by_decades(variances, layer)
    for plot in inputs:
        _draw_inputs(plot, layer)
    for plot in axes:
        is_drawn = plot.get_legend_handles_labels()[0]
        if is_drawn and has_legend:
            plot.legend(fontsize="x-small", loc="best")
        elif not is_drawn:
            plot.text(0.5, 0.5, "not seen", ha="center", transform=plot.transAxes)
            plot.set_yticks([])


def _scale_by_decades(plot: Any, layer: WatchedLayer) -> None:
    """Set a logarithmic axis, from the smallest variance above 0 on."""
    both = [(point.running_variance, point.batch_variance) for point in layer.points]
    values = np.asarray(both).ravel()
    values = values[values > 0]
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    plot.set_yscale("log")
    plot.set_ylim(low / 1.2, high * 1.2)
    plot.yaxis.set_major_formatter("{x:g}")
    if high > _FEW_DECADES * low:  # Labels between the powers of ten would crowd.
        plot.yaxis.set_minor_formatter("")
    else:
        plot.yaxis.set_minor_formatter(_label_of_few)


def _label_of_few(value: float, _: int | None = None) -> str:
    """Label only 2, 3 and 5 between the powers of ten on a logarithmic axis."""
    return f"{value:g}" if f"{value:e}"[0] in "235" else ""


def _draw_inputs(plot: Any, layer: WatchedLayer) -> None:
    if not layer.inputs:
        return
    steps = [step for step, _ in layer.inputs]
    quantiles = np.asarray([array for _, array in layer.inputs])
    _draw_band(plot, steps, quantiles[:, [0, 2, 4]], _INPUTS, "5 to 95 % of the values")
    if len(steps) > 1:
        plot.fill_between(
            steps,
            quantiles[:, 1],
            quantiles[:, 3],
            color=_INPUTS,
            alpha=0.3,
            linewidth=0,
        )


def _draw_band(
    plot: Any, steps: list[int], bands: Any, colour: str, label: str
) -> None:
    """Draw a line of medians in a band of quantiles; bands are (low, median, high).

    A single look is a point with a bar, since a band would have no width.
    """
    if not steps:
        return
    low, middle, high = np.asarray(bands).T
    if len(steps) == 1:
        error = [middle - low, high - middle]
        plot.errorbar(steps, middle, error, color=colour, label=label, fmt="o", ms=4)
        return
    plot.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    plot.plot(steps, middle, color=colour, label=label)


def _draw_map(monitor: Monitor, figure: Any) -> None:
    """Draw a row for each layer in the model's order, darker the farther off it is."""
    layers = monitor.layers
    steps = sorted({step for sublayer in layers for step, _ in sublayer.lags})
    column = {step: index for index, step in enumerate(steps)}
    shifts = np.full((len(layers), len(steps)), np.nan)
    doublings = shifts.copy()
    for row, layer in enumerate(layers):
        for step, lag in layer.lags:
            shifts[row, column[step]] = lag.shift
            doublings[row, column[step]] = np.log2(lag.ratio)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, values, most, title in (
        (left, shifts, _FAR_SHIFT, "standard deviations between means"),
        (right, doublings, _FAR_DOUBLINGS, "factor between variances"),
    ):
        axes.set_facecolor("lightgray")  # if nothing was seen
        image = axes.imshow(
            values,
            aspect="auto",
            interpolation="nearest",
            cmap="Reds",
            vmin=0,
            vmax=most,
        )
        bar = figure.colorbar(image, ax=axes, extend="max")
        if axes is right:
            label_by_factors(bar.ax.yaxis)
        axes.set_title(f"all {len(layers)} layers: {title}", fontsize="medium")
        shown = np.unique(np.linspace(0, len(steps) - 1, 5).astype(int))
        axes.set_xticks(shown, [f"{steps[index]:,}" for index in shown])
        axes.set_xlabel("training step")
    if len(layers) <= _MOST_NAMES:
        names = [_short(sublayer.path) for sublayer in layers]
        left.set_yticks(range(len(layers)), names, fontsize="x-small")


def _short(path: str) -> str:
    return path if len(path) <= 32 else f"...{path[-29:]}"
