"""Causes found in single layers."""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING

import numpy as np

from ..subjects.model import keeps_forever
from . import signs
from .cause import Cause, Certainty
from .layers import paths_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .evidence import Evidence
    from .layers import LayerState

_NARROW = ("float16", "bfloat16")
_BIAS = 0.05  # the part of the initial values at which statistics count as converged
_SMALL_MOMENTUM, _DOUBTFUL_MOMENTUM = 0.5, 0.85
_SMALL_BATCH = 4.5
_LIKE_NOISE = (0.25, 4.0)  # times the shift that noise alone causes


def not_finite(evidence: Evidence) -> Iterator[Cause]:
    """Find statistics, weights or data that are NaN or infinite."""
    layers = paths_of(layer for layer in evidence.layers if not layer.is_finite)
    if layers:
        yield Cause(
            "not finite",
            "certain",
            layers,
            "running statistics are NaN or infinite, or a variance is negative",
            "a single batch with a NaN or infinity is enough: look for it in the "
            "data, and stop training with keras.callbacks.TerminateOnNaN()",
        )
    if evidence.bad_weights:
        yield Cause(
            "not finite",
            "certain",
            (),
            f"weights are not finite: {', '.join(evidence.bad_weights[:3])}",
            "return to an earlier checkpoint, and lower the learning rate",
        )
    if evidence.bad_data:
        yield Cause(
            "not finite",
            "certain",
            (),
            "the given data contain NaN or infinity",
            "clean the data, for example with numpy.nan_to_num",
        )


def never_moved(evidence: Evidence) -> Iterator[Cause]:
    """Find running statistics that still have their initial values, unlike the data."""
    found = [
        layer for layer in evidence.layers if signs.is_initial(layer) and layer.is_off
    ]
    steps = f" after {evidence.steps:,} training steps" if evidence.steps else ""
    kept = [layer for layer in found if keeps_forever(layer.momentum)]
    if kept:
        yield Cause(
            "never moved",
            "certain",
            paths_of(kept),
            f"mean and variance still have their initial values{steps}, because "
            "momentum=1 keeps them for ever",
            "set the momentum to 0.99, or to 1 - m for PyTorch's momentum m",
        )
    layers = [layer for layer in found if layer not in kept]
    if not layers:
        return
    without_flag = [
        layer
        for layer in layers
        if not layer.frozen and evidence.modes[layer.path]["fit"].uses == "running"
    ]
    yield Cause(
        "never moved",
        "certain"
        if evidence.steps or any(map(signs.has_learned, layers))
        else "likely",
        paths_of(layers),
        f"mean and variance still have their initial values{steps}"
        + (", and `fit` runs the layer in inference mode" if without_flag else "")
        + ("; was the model trained at all?" if evidence.steps == 0 else ""),
        "make sure that the layer receives training=True in the training step: "
        "call(self, x, training=None) in a model's class, model(x, training=True) in "
        "a custom loop; with stateless_call, keep the new state",
    )


def flag_hard_coded(evidence: Evidence) -> Iterator[Cause]:
    """Find a layer that uses the batch in `predict`, or does not in `fit`."""
    modes = evidence.modes
    always = paths_of(
        e for e in evidence.layers if modes[e.path]["predict"].uses == "batch"
    )
    if always:
        moves = any(modes[path]["predict"].moves for path in always)
        yield Cause(
            "flag hard-coded",
            "certain",
            always,
            "`predict` normalizes with the statistics of the batch"
            + (" and updates the running ones" if moves else "")
            + ", so that a prediction depends on the other samples in the batch",
            "remove the constant training=True, or pass on the `training` argument of "
            "`call`",
        )
    never = paths_of(
        layer
        for layer in evidence.layers
        if not layer.frozen
        and modes[layer.path]["fit"].is_known
        and modes[layer.path]["fit"].uses == "running"
        and not modes[layer.path]["fit"].moves
    )
    if never:
        yield Cause(
            "flag hard-coded",
            "certain",
            never,
            "`fit` runs the layer in inference mode, though it is not frozen: it "
            "receives a constant training=False, or no flag at all",
            "pass on the `training` argument of `call`, or set trainable=False if "
            "this is intended",
        )


def frozen(evidence: Evidence) -> Iterator[Cause]:
    """Find a frozen layer with the statistics of other data."""
    layers = _concerned(evidence, lambda layer: layer.frozen)
    if layers and (evidence.helps or any(map(signs.is_initial, layers))):
        yield Cause(
            "frozen",
            "certain" if evidence.helps else "likely",
            paths_of(layers),
            "trainable=False keeps these statistics as they were, and they do not "
            "match the data",
            "recalibrate the layer before freezing it, or unfreeze it for a while",
        )


def dtype_too_narrow(evidence: Evidence) -> Iterator[Cause]:
    """Find running statistics in half precision, in which small steps are lost."""
    layers = [e for e in evidence.layers if e.dtype in _NARROW]
    wrong = [e for e in layers if not e.is_finite or e.is_far or evidence.concerns(e)]
    if wrong:
        dtype = wrong[0].dtype
        yield Cause(
            "dtype too narrow",
            "certain" if all(map(signs.is_stuck, wrong)) else "likely",
            paths_of(wrong),
            f"running statistics are kept in {dtype}, in which a step of 1 - momentum "
            "is rounded away or a large variance overflows",
            f'use the policy "mixed_{dtype}", which keeps them in float32',
        )


def not_converged(evidence: Evidence) -> Iterator[Cause]:
    """Find statistics between their initial values and those of the data."""
    found: dict[str, tuple[LayerState, float, Certainty]] = {}
    for layer in _concerned(evidence, signs.is_averaged):
        part = signs.initial_part(layer)
        left = signs.left_by_steps(layer, evidence.steps)
        if left is not None and left > _BIAS:
            found[layer.path] = (layer, left, "certain" if part else "likely")
        elif left is None and part is not None and _BIAS < part < 1:
            found[layer.path] = (layer, part, "likely")
    if not found:
        return
    worst, left, _ = max(found.values(), key=lambda it: it[1])
    sure: Certainty = (
        "certain" if any(s == "certain" for *_, s in found.values()) else "likely"
    )
    momentum = worst.momentum or 0
    steps = f"after {evidence.steps:,} steps " if evidence.steps else ""
    yield Cause(
        "not converged",
        sure,
        tuple(found),
        f"{steps}with momentum {momentum:g}, the initial values still make up "
        f"{left:.0%} of the running statistics",
        f"train for {ceil(log(_BIAS) / log(momentum)):,} steps, use a smaller "
        "momentum, or kerasbn.BatchNormalization(zero_debias=True)",
    )


def momentum_too_small(evidence: Evidence) -> Iterator[Cause]:
    """Find statistics of the last few batches only, which are noisy."""
    layers, agrees = [], False
    for layer in evidence.layers:
        momentum = layer.momentum
        if (
            momentum is None
            or layer.frozen
            or signs.is_initial(layer)
            or not layer.data
        ):
            continue
        if momentum >= _DOUBTFUL_MOMENTUM or not layer.is_off:
            continue
        expected = signs.noise_of_average(layer, momentum)
        shift = layer.distance.shift if layer.distance else 0
        like_noise = expected and _LIKE_NOISE[0] < shift / expected < _LIKE_NOISE[1]
        if momentum < _SMALL_MOMENTUM or (like_noise and evidence.is_harmed):
            layers.append(layer)
            agrees |= bool(like_noise)
    if layers:
        momentum = min(sublayer.momentum or 0 for sublayer in layers)
        average = (1 + momentum) / (1 - momentum)
        yield Cause(
            "momentum too small",
            "certain" if agrees and momentum < _SMALL_MOMENTUM else "likely",
            paths_of(layers),
            f"momentum={momentum:g} averages only about {average:.1f} batches, whose "
            "noise remains in the running statistics",
            "use 0.9 to 0.999 (PyTorch's 0.1 is 0.9 here)",
        )


def batches_too_small(evidence: Evidence) -> Iterator[Cause]:
    """Find variances of batches of so few samples that most of it is missing."""
    able = [e for e in evidence.layers if e.data and not e.frozen and e.is_finite]
    sizes = {}
    for layer in able:
        size = (
            signs.effective_batch_size(layer) if not signs.is_initial(layer) else None
        )
        if size is not None and size < _SMALL_BATCH:
            sizes[layer.path] = size
    given = evidence.data.batch_size
    if given == 1 and not evidence.data.from_arrays:
        yield Cause(
            "batches too small",
            "certain",
            paths_of(able),
            "the given batches have one sample each, which has no variance",
            "train with batches of 16 or more, or use another normalization",
        )
    elif sizes and len(sizes) >= 2 / 3 * len(able) and _any_concerned(evidence, sizes):
        size = max(1, round(float(np.median(list(sizes.values())))))
        yield Cause(
            "batches too small",
            "certain" if len(sizes) == len(able) > 1 else "likely",
            tuple(sizes),
            "the running variances lack the differences between samples, as after "
            f"training on batches of about {size} sample{'s' * (size > 1)}",
            "train with batches of 16 or more, or use another normalization",
        )


def unlike_inputs(evidence: Evidence) -> Iterator[Cause]:
    """Find a layer that is called with different kinds of inputs, or of batches."""
    if not evidence.is_harmed:
        layers = []
    else:
        layers = [layer for layer in evidence.layers if signs.has_unlike_calls(layer)]
    if layers:
        yield Cause(
            "unlike inputs",
            "certain" if evidence.is_incurable else "likely",
            paths_of(layers),
            "the layer is called with inputs of different statistics: in training "
            "each is normalized by its own, in inference all by one average",
            "give each input its own batch normalization layer",
        )
    apart = [layer for layer in evidence.layers if signs.has_unlike_batches(layer)]
    if apart and evidence.is_harmed:
        yield Cause(
            "unlike inputs",
            "likely",
            paths_of(apart),
            "batches are of different kinds: their means differ by far more than "
            "those of random batches",
            "shuffle, so that each batch has samples of all kinds; or give each "
            "domain its own batch normalization layer",
        )


FINDERS: tuple[Callable[[Evidence], Iterable[Cause]], ...] = (
    not_finite,
    flag_hard_coded,
    never_moved,
    frozen,
    dtype_too_narrow,
    not_converged,
    batches_too_small,
    momentum_too_small,
    unlike_inputs,
)


def _concerned(
    evidence: Evidence, of_kind: Callable[[LayerState], bool]
) -> list[LayerState]:
    """Return the layers of a kind whose statistics need an explanation."""
    return [e for e in evidence.layers if of_kind(e) and evidence.concerns(e)]


def _any_concerned(evidence: Evidence, paths: Iterable[str]) -> bool:
    return any(evidence.concerns(e) for e in evidence.layers if e.path in set(paths))
