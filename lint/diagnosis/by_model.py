"""Causes found in the model as a whole, and what remains if no other fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import signs
from .by_origin import of_other_weights_or_data
from .by_others import of_noise
from .cause import Cause
from .layers import array, paths_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_WINDOWS = 5  # of 1 / (1 - momentum) steps each, in which an average forgets the first
_MUCH_FROM_BEFORE = 0.1  # of the running statistics


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
        yield from of_other_weights_or_data(evidence, left)


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
