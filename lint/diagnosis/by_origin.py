"""Valid statistics of other weights or of other data: which of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import signs
from .cause import Cause
from .layers import paths_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_STARTS_RIGHT = (
    "the statistics of the first layer match the data and those of others do not"
)
_ALL_OFF = (
    "with the statistics of these data the model does well on them, but those of "
    "later layers are off, too"
)
_UNIFORM = 1.5  # the factor within which all channels are scaled alike
_MOST_OF_IT = 0.5  # of the gap
_SHRUNK = 1.1  # running variances over those of the data
_SCALED = 4.0  # the factor of deviations above which preprocessing is suspected


def of_other_weights_or_data(
    evidence: Evidence, left: Sequence[LayerState]
) -> Iterator[Cause]:
    """Find valid statistics that belong to other weights, or to other data.

    Both are possible where nothing tells them apart; the likelier comes first.
    """
    first = evidence.first
    change = change_of_data(first)
    starts_right = first is not None and not first.is_off
    looks_averaged = _look_averaged(left)
    all_off = not (change or starts_right) and _are_of_other_weights(evidence, left)
    lag = []
    if not change and not looks_averaged:
        lag = list(_lag(evidence, left, starts_right))
    is_lag_first = starts_right or evidence.suits
    if is_lag_first:
        yield from lag
    if looks_averaged or starts_right or all_off:
        is_likely = len(left) > 1 if looks_averaged else all_off and not lag
        yield Cause(
            "averaged weights",
            "likely" if is_likely else "possible",
            paths_of(left),
            "the data have smaller variances than the running statistics in most "
            "layers, with similar means, as after averaging weights"
            if looks_averaged
            else f"{_STARTS_RIGHT if starts_right else _ALL_OFF}, as after averaging "
            "or editing weights, loading them in part, or copying them to a teacher "
            "or target network without the statistics",
            "recalibrate after averaging, editing or loading weights; copy weights, "
            "and not trainable_variables alone",
        )
    later_suffices = looks_averaged and _cannot_be_data(first, left)
    if not change and (starts_right or later_suffices):
        return
    is_doubtful = not change and (looks_averaged or lag or all_off)
    yield Cause(
        "unlike data",
        "possible" if is_doubtful else "likely",
        paths_of(left),
        change
        or "the statistics are valid, but belong to other data, or other weights",
        "preprocess the data as in training; if they are meant to differ, recalibrate "
        "on them",
    )
    if not is_lag_first:
        yield from lag


def _lag(
    evidence: Evidence, left: Sequence[LayerState], starts_right: bool
) -> Iterator[Cause]:
    """Find averages that may be behind the weights, of a model that was trained."""
    trained = [layer for layer in left if evidence.steps and signs.is_averaged(layer)]
    is_near = not any(layer.is_very_far for layer in left)
    if not trained or not (starts_right or is_near):
        return
    yield Cause(
        "not converged",
        "possible",
        paths_of(trained),
        (_STARTS_RIGHT if starts_right else "the statistics are off, but not by much")
        + ", as where weights change faster than the average follows",
        "use a smaller momentum, or lower the learning rate towards the end",
    )


def _are_of_other_weights(evidence: Evidence, left: Sequence[LayerState]) -> bool:
    """Whether the statistics are those of other weights rather than of other data.

    Other data are made alike by the first layer, if it has their statistics, or are
    strange to the model all the same.
    """
    return evidence.suits and any(layer is not evidence.first for layer in left)


def _cannot_be_data(first: LayerState | None, left: Sequence[LayerState]) -> bool:
    """Whether a later layer alone accounts for the gap.

    Of other data, only new statistics of the first layer make up for all of it: those
    behind it then receive what they are used to.
    """
    shares = [layer.share for layer in left if layer is not first]
    return any(share is not None and share > _MOST_OF_IT for share in shares)


def _look_averaged(layers: Sequence[LayerState]) -> bool:
    """Whether most variances have shrunk, and means stayed."""
    shrunk = [
        layer for layer in layers if layer.distance and layer.distance.scale > _SHRUNK
    ]
    means_stay = all(layer.distance and layer.distance.shift < 0.5 for layer in layers)
    return len(shrunk) > len(layers) / 2 and means_stay


def change_of_data(first: LayerState | None) -> str:
    """Say what only other data explain in what the first layer receives."""
    if scale := _uniform_scale(first):
        return (
            f"the spread of the data is about {scale:.3g} times that of the training "
            "data, in all channels alike"
        )
    if count := signs.woken(first):
        return (
            f"{count} channel{'s' * (count > 1)} of the first layer had no variance in "
            "training, but some in these data"
        )
    return ""


def _uniform_scale(state: LayerState | None) -> float | None:
    """Return the ratio of the data's deviations to the layer's, if it is uniform."""
    if state is None or state.data is None or state.mean.size < 2:
        return None
    alive = (state.data.variance > 1e-8) & (state.variance > 1e-8)
    if alive.sum() < 2:
        return None
    factors = np.sqrt(state.data.variance[alive] / state.variance[alive])
    low, middle, high = np.quantile(factors, (0.1, 0.5, 0.9))
    is_uniform = high < _UNIFORM**2 * low
    is_scaled = middle > _SCALED or middle < 1 / _SCALED
    return float(middle) if is_uniform and is_scaled else None
