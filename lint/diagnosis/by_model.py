"""Causes found in the model as a whole, and what remains if no other fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .cause import Cause, Certainty
from .layers import array, paths_of
from .names import (
    BATCH_NORM,
    DROPOUT,
    IN_ORDER,
    INFERENCE,
    TRAINING,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_WINDOWS = 5  # of 1 / (1 - momentum) steps each, in which an average forgets the first
_UNIFORM = 1.5  # the factor within which all channels are scaled alike
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
    if not left:
        return
    if late := [layer for layer in left if _is_late(layer, evidence.steps)]:
        yield Cause(
            "not converged",
            "likely" if all(layer.momentum is None for layer in late) else "possible",
            paths_of(late),
            "they average over many batches, some of them with weights that have "
            "changed since",
            "use a smaller momentum, or lower the learning rate towards the end",
        )
        if len(late) == len(left):
            return
    surer: Certainty = "likely"
    first = _first(evidence)
    if _look_averaged(left):
        surer = "possible"
        yield Cause(
            "averaged weights",
            "likely" if len(left) > 1 else "possible",
            paths_of(left),
            "the data have smaller variances than the running statistics in most "
            "layers, with similar means, as after averaging weights",
            "recalibrate after averaging, editing or loading weights",
        )
    elif first is not None and not first.is_off:
        surer = "possible"
        yield Cause(
            "averaged weights",
            "possible",
            paths_of(left),
            "the statistics of the first layer match the data and those of others do "
            "not, as after averaging or editing weights, or loading them in part",
            "recalibrate after averaging, editing or loading weights",
        )
    scale = _uniform_scale(first)
    text = "the statistics are valid, but belong to other data"
    if scale is not None:
        surer = "likely"
        text = (
            f"the spread of the data is about {scale:.3g} times that of the training "
            "data, in all channels alike"
        )
    yield Cause(
        "unlike data",
        surer,
        paths_of(left),
        text,
        "preprocess the data as in training; if they are meant to differ, recalibrate "
        "on them",
    )


def other_causes(evidence: Evidence, is_explained: bool) -> Iterator[Cause]:
    """Find batches of one kind each, and causes other than batch normalization."""
    if evidence.worse(BATCH_NORM, IN_ORDER) and evidence.worse(INFERENCE, IN_ORDER):
        yield Cause(
            "unlike inputs",
            "likely",
            paths_of(evidence.layers),
            "the model does better with batches in the order of the data than with "
            "shuffled ones: each batch in training held samples of one kind",
            "shuffle in training, or give each domain its own batch normalization "
            "layer",
        )
        return
    if evidence.worse(INFERENCE, DROPOUT):
        yield Cause(
            "not batch normalization",
            "likely",
            (),
            "another layer that depends on the mode makes inference worse: training "
            "mode does better even with batch normalization in inference mode",
            "check your own layers that take `training`",
        )
        return
    if is_explained:
        return
    if evidence.has_gap and evidence.worse(INFERENCE, TRAINING):
        yield Cause(
            "unlike inputs",
            "possible",
            (),
            "the running statistics match the data, and yet each batch is better "
            "normalized by its own",
            "use larger batches, each with samples of all kinds",
        )
        return
    if evidence.constant is None:
        return
    modes = [m for m in (INFERENCE, TRAINING, BATCH_NORM) if m in evidence.scores]
    if all(map(evidence.is_useless, modes)):
        best = min(evidence.scores[mode].loss.mean for mode in modes)
        yield Cause(
            "not batch normalization",
            "likely",
            (),
            f"the loss of {best:.3g} is no better than that of a constant prediction, "
            f"{evidence.constant:.3g}, in any mode",
            "check whether inputs and targets belong together, and are preprocessed "
            "as in training",
        )


def _look_averaged(layers: Sequence[LayerState]) -> bool:
    """Whether most variances have shrunk, and means stayed."""
    shrunk = [
        layer for layer in layers if layer.distance and layer.distance.scale > 1.15
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


def _first(evidence: Evidence) -> LayerState | None:
    """Return the first layer of the model."""
    order = list(evidence.modes)
    return min(evidence.layers, key=lambda e: order.index(e.path), default=None)
