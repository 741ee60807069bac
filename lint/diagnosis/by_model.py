"""Causes found in the model as a whole, and what remains if no other fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import signs
from .by_others import of_noise
from .cause import Cause
from .layers import array, paths_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_WINDOWS = 5  # of 1 / (1 - momentum) steps each, in which an average forgets the first
_UNIFORM = 1.5  # the factor within which all channels are scaled alike
_STARTS_RIGHT = (
    "the statistics of the first layer match the data and those of others do not"
)
_MOST_OF_IT = 0.5  # of the gap
_MUCH_FROM_BEFORE = 0.1  # of the running statistics
_SHRUNK = 1.1  # running variances over those of the data
_SCALED = 4.0  # the factor of deviations above which preprocessing is suspected


def unexplained(evidence: Evidence, explained: Collection[str]) -> Iterator[Cause]:
    """Find weights that were averaged, or data unlike those of training.

    Both leave valid statistics of something else. Averaged weights shrink variances and
    hardly shift means, in later layers more than in the first, since noise cancels;
    other data change the first layer most, since it normalizes for the others.
    """
    left = [
        layer
        for layer in evidence.layers
        if layer.path not in explained and evidence.concerns(layer)
    ]
    averaged = is_averaged_model(evidence.model)
    concerned = left or [e for e in evidence.layers if evidence.concerns(e)]
    if averaged and concerned:
        yield Cause(
            "averaged weights",
            "certain",
            paths_of(concerned),
            "the weights are averages over training (use_ema), but the running "
            "statistics belong to the weights before averaging",
            "recalibrate after averaging the weights",
        )
        return
    able = []
    if not left and not explained and evidence.has_gap and evidence.helps:
        able = [layer for layer in evidence.layers if layer.data and not layer.frozen]
        left = [] if any(map(signs.sees_noise, able)) else able
    if noisy := [layer for layer in left or able if signs.fits_noise(layer)]:
        if evidence.is_much_helped or any(layer.is_far for layer in noisy):
            yield of_noise(noisy)
        return  # What later layers receive follows from that.
    if late := [layer for layer in left if _is_late(layer, evidence.steps)]:
        yield Cause(
            "not converged",
            "likely" if all(layer.momentum is None for layer in late) else "possible",
            paths_of(late),
            "they average over many batches, some of them with weights that have "
            "changed since" + _from_before(evidence.steps, late),
            "use a smaller momentum, or lower the learning rate towards the end",
        )
        yield from _of_unlike_data_before(evidence, late)
    left = _without(left, late)
    if evidence.stays:  # Other statistics do hardly better.
        left = [layer for layer in left if layer.is_far]
    if left:
        yield from _of_other_weights_or_data(evidence, left)


def _of_unlike_data_before(
    evidence: Evidence, late: Sequence[LayerState]
) -> Iterator[Cause]:
    """Find averages that short training moved to other data, if they are these."""
    first = evidence.first
    if first in late and not _from_before(evidence.steps, late):
        yield Cause(
            "unlike data",
            "possible",
            paths_of(late),
            f"the last {evidence.steps:,} training steps have replaced the statistics "
            "by those of their data, which these data do not match",
            "preprocess the data as in training; to train further on other data, "
            "freeze batch normalization first, with kerasbn.freeze(model)",
        )


def _without(layers: list[LayerState], others: list[LayerState]) -> list[LayerState]:
    paths = set(paths_of(others))
    return [layer for layer in layers if layer.path not in paths]


def _from_before(steps: int | None, late: Sequence[LayerState]) -> str:
    """Say how much of the statistics is older than all training steps known."""
    parts = [
        layer.momentum ** (steps * max(len(layer.calls), 1))
        for layer in late
        if steps and layer.momentum is not None
    ]
    if not parts or max(parts) < _MUCH_FROM_BEFORE:
        return ""
    return (
        f": after {steps:,} steps, {max(parts):.0%} is still what the layer started "
        "from"
    )


def _of_other_weights_or_data(
    evidence: Evidence, left: Sequence[LayerState]
) -> Iterator[Cause]:
    """Find valid statistics that belong to other weights, or to other data."""
    first = evidence.first
    starts_right = first is not None and not first.is_off
    looks_averaged = _look_averaged(left)
    change = change_of_data(first)
    lag = []
    if not change and not looks_averaged:
        lag = list(_lag(evidence, left, starts_right))
    if starts_right:
        yield from lag
    if looks_averaged or starts_right:
        yield Cause(
            "averaged weights",
            "likely" if looks_averaged and len(left) > 1 else "possible",
            paths_of(left),
            "the data have smaller variances than the running statistics in most "
            "layers, with similar means, as after averaging weights"
            if looks_averaged
            else f"{_STARTS_RIGHT}, as after averaging or editing weights, or loading "
            "them in part",
            "recalibrate after averaging, editing or loading weights",
        )
    later_suffices = looks_averaged and _cannot_be_data(first, left)
    if not change and (starts_right or later_suffices):
        return
    yield Cause(
        "unlike data",
        "possible" if not change and (looks_averaged or lag) else "likely",
        paths_of(left),
        change
        or "the statistics are valid, but belong to other data, or other weights",
        "preprocess the data as in training; if they are meant to differ, recalibrate "
        "on them",
    )
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


def _is_late(layer: LayerState, steps: int | None) -> bool:
    """Whether its average reaches far back into training."""
    if layer.frozen or not steps:
        return False
    if layer.momentum is None:
        return True
    return steps * max(len(layer.calls), 1) * (1 - layer.momentum) < _WINDOWS


def is_averaged_model(model: Any) -> bool:
    """Whether the weights are the averages that the optimizer keeps (`use_ema`)."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    averages = getattr(optimizer, "_model_variables_moving_average", None)
    if not getattr(optimizer, "use_ema", False) or not averages:
        return False
    variables = getattr(optimizer, "_trainable_variables", None) or []
    pairs = [(array(a), array(v)) for a, v in zip(averages, variables, strict=False)]
    return bool(pairs) and all(np.allclose(a, v, rtol=1e-4) for a, v in pairs)


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
