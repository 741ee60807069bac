"""The table at the end: the layers that are off, and one line for all others."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layers import WatchedLayer
    from .monitor import Monitor

_MOST_ROWS, _WORTH_IT = 10, 3  # shown, and the fewest others worth summing up


def table(monitor: Monitor) -> Table:
    """Return a table of the layers, worst first, or only the worst of many."""
    made = Table(box=None, pad_edge=False)
    made.add_column("layer", overflow="fold")
    for name in ("momentum", "mean off by", "variance"):
        made.add_column(name, justify="right")
    if has_dead := any(layer.dead_channels() for layer in monitor.layers):
        made.add_column("constant", justify="right")
    made.add_column("warnings", overflow="fold")
    layers = worst_first(monitor)
    if len(layers) < _MOST_ROWS + _WORTH_IT:
        shown = monitor.layers
    else:
        shown = layers[:_MOST_ROWS]
    for layer in shown:
        made.add_row(*_row(layer, monitor, has_dead))
    if len(shown) < len(layers):
        made.add_row(*_rest(layers[len(shown) :], monitor, has_dead))
    return made


def worst_first(monitor: Monitor) -> list[WatchedLayer]:
    """Sort layers with warnings first, then by how far they are off."""

    def badness(layer: WatchedLayer) -> tuple[int, float]:
        lag = layer.lag()
        return len(_kinds(layer, monitor)), lag.shift + log(lag.ratio) if lag else 0.0

    return sorted(monitor.layers, key=badness, reverse=True)


def title(monitor: Monitor) -> str:
    """Return what stands above the table: the steps, and the losses of a batch."""
    text = f"Batch normalization after {monitor.step:,} steps"
    if not monitor.layers:
        return f"{text}: all layers are frozen"
    if monitor.losses:
        last = monitor.losses[-1]
        text += (
            f"; the same batch: loss {last.training:.4g} in training mode, "
            f"{last.inference:.4g} in inference mode"
        )
    return text


def _kinds(layer: WatchedLayer, monitor: Monitor) -> list[str]:
    return [
        notice.kind for notice in monitor.notices.given if notice.layer == layer.path
    ]


def _row(layer: WatchedLayer, monitor: Monitor, has_dead: bool) -> tuple[str, ...]:
    lag, momentum = layer.lag(), layer.momentum
    kinds = _kinds(layer, monitor)
    return (
        layer.path,
        "average" if momentum is None else f"{momentum:g}",
        "-" if lag is None else f"{lag.shift:.2f} std",
        "-" if lag is None else f"x {lag.ratio:.3g}",
        *[f"{layer.dead_channels()} of {layer.channels}"] * has_dead,
        ", ".join(kinds) or ("ok" if layer.ever_moved else "did not move"),
    )


def _rest(
    layers: Sequence[WatchedLayer], monitor: Monitor, has_dead: bool
) -> tuple[str, ...]:
    """Return one row for all of these: the largest numbers, and all warnings."""
    lags = [lag for layer in layers if (lag := layer.lag()) is not None]
    dead = sum(layer.dead_channels() for layer in layers)
    kinds = dict.fromkeys(kind for layer in layers for kind in _kinds(layer, monitor))
    still = sum(not layer.ever_moved for layer in layers)
    said = ", ".join(kinds) or (f"{still} did not move" if still else "ok")
    return (
        f"... {len(layers)} more, at most",
        "",
        f"{max(distance.shift for distance in lags):.2f} std" if lags else "-",
        f"x {max(distance.ratio for distance in lags):.3g}" if lags else "-",
        *[f"{dead} of {sum(layer.channels for layer in layers)}"] * has_dead,
        said,
    )
