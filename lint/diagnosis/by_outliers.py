"""Running statistics that a few samples far out of the range of all others spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..subjects.distance import distance
from . import signs
from .cause import Cause
from .layers import paths_of
from .sentences import named, number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_TOO_LARGE, _SURELY = 1.15, 2.0  # times the variance of the data
_ADVICE = (
    "leave such samples out of the training data, or clip them; then train again, or "
    "recalibrate without them"
)


def outliers(evidence: Evidence, explained: Collection[str]) -> Iterator[Cause]:
    """Find variances blown up by outliers, in the given data or those of training."""
    if not evidence.is_harmed:
        return
    left = [layer for layer in evidence.layers if layer.path not in explained]
    spoiled = [layer for layer in left if _is_spoiled(evidence, layer)]
    if spoiled and evidence.data.outliers:
        yield Cause(
            "outliers",
            "certain" if _most(spoiled) > _SURELY else "likely",
            paths_of(spoiled),
            f"the running variances are {'up to ' * (len(spoiled) > 1)}"
            f"{number(_most(spoiled))} times those of the data without "
            f"{named(evidence.data.outliers)}",
            _ADVICE,
        )
        return
    first = evidence.first
    if first is None or first not in left or not signs.is_blown_up(first):
        return
    is_proportional = signs.excess_of_outliers(first)
    yield Cause(
        "outliers",
        "likely" if is_proportional else "possible",
        paths_of([first]),
        f"the running variances are {number(_most([first]))} times those of the data, "
        + (
            "in proportion to how far each mean is off, "
            if is_proportional
            else "while the means are not nearly as far off, "
        )
        + "as after training with a few samples far out of the range of all others",
        _ADVICE,
    )


def heavy_tails(evidence: Evidence) -> Iterator[Cause]:
    """Find data so unevenly spread that no running variance suits most batches."""
    found = [layer for layer in evidence.layers if signs.has_heavy_tails(layer)]
    if found and evidence.has_gap:
        yield Cause(
            "outliers",
            "likely",
            paths_of(found),
            "the running statistics match the data, but a few samples have most of the "
            "variance, so that all others are made too small",
            "take the logarithm of the inputs, or clip them",
        )


def _is_spoiled(evidence: Evidence, layer: LayerState) -> bool:
    """Whether variances are too large, and those of batches with outliers larger."""
    others = evidence.of_outliers.get(layer.path)
    if others is None or layer.data is None or layer.distance is None:
        return False
    data = layer.data
    away = distance(others.mean, others.within, data.mean, data.variance, layer.epsilon)
    return bool(away.scale > layer.distance.scale > _TOO_LARGE)


def _most(layers: Sequence[LayerState]) -> float:
    return max(layer.distance.scale for layer in layers if layer.distance)
