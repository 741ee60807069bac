"""Causes found in the batches: too few of them, too small, or too unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import signs
from .cause import Cause
from .layers import paths_of
from .names import BATCH_NORM, IN_ORDER, INFERENCE, TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .evidence import Evidence

_SMALL_MOMENTUM, _DOUBTFUL_MOMENTUM = 0.5, 0.85
_LIKE_NOISE = (0.25, 4.0)  # times the shift that noise alone causes
_SMALL_BATCH, _PAIRS = 4.5, 2.5
_OTHERWISE_EXPLAINED = (signs.is_initial, signs.is_stuck, signs.has_unlike_calls)
_LARGER_BATCHES = "train with batches of 16 or more, or use another normalization"
_MIXED_BATCHES = (
    "shuffle, so that each batch has samples of all kinds; or give each domain its own "
    "batch normalization layer"
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
        if any(sign(layer) for sign in _OTHERWISE_EXPLAINED):
            continue
        left = signs.left_by_steps(layer, evidence.steps)
        if left is None:
            left = max(signs.initial_part(layer) or 0.0, 0.0)
        size = signs.effective_batch_size(layer, left)
        if size is not None and size < _SMALL_BATCH:
            sizes[layer.path] = size
    given = evidence.data.batch_size
    if given == 1 and not evidence.data.from_arrays:
        yield Cause(
            "batches too small",
            "certain",
            paths_of(able),
            "the given batches have one sample each, which has no variance",
            _LARGER_BATCHES,
        )
    elif (
        sizes
        and len(sizes) >= 2 / 3 * len(able)
        and (_any_concerned(evidence, sizes) or _is_poor_of_pairs(evidence, sizes))
    ):
        size = max(1, round(float(np.median(list(sizes.values())))))
        yield Cause(
            "batches too small",
            "certain" if len(sizes) == len(able) > 1 else "likely",
            tuple(sizes),
            "the running variances lack the differences between samples, as after "
            f"training on batches of about {size} sample{'s' * (size > 1)}",
            _LARGER_BATCHES,
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
            _MIXED_BATCHES,
        )


def one_kind_each(evidence: Evidence) -> Iterator[Cause]:
    """Find data whose order matters to the model: batches of one kind each."""
    if evidence.worse(BATCH_NORM, IN_ORDER) and evidence.worse(INFERENCE, IN_ORDER):
        yield Cause(
            "unlike inputs",
            "likely",
            paths_of(evidence.layers),
            "the model does better with batches in the order of the data than with "
            "shuffled ones: each batch in training held samples of one kind",
            _MIXED_BATCHES,
        )


def better_alone(evidence: Evidence) -> Iterator[Cause]:
    """Find a gap that remains though the running statistics match the data."""
    if not (evidence.has_gap and evidence.worse(INFERENCE, TRAINING)):
        return
    small = evidence.data.batch_size < _SMALL_BATCH
    yield Cause(
        "batches too small" if small else "unlike inputs",
        "likely" if small else "possible",
        paths_of(evidence.layers) if small else (),
        "the running statistics match the data, and yet each batch "
        + (f"of {evidence.data.batch_size} " if small else "")
        + "is better normalized by its own",
        _LARGER_BATCHES if small else _MIXED_BATCHES,
    )


FINDERS: tuple[Callable[[Evidence], Iterable[Cause]], ...] = (
    batches_too_small,
    momentum_too_small,
    unlike_inputs,
    one_kind_each,
)


def _any_concerned(evidence: Evidence, paths: Iterable[str]) -> bool:
    return any(evidence.concerns(e) for e in evidence.layers if e.path in set(paths))


def _is_poor_of_pairs(evidence: Evidence, sizes: Mapping[str, float]) -> bool:
    """Whether all layers saw batches of one or two, and the model is poor in any mode.

    Nothing is learned from samples that are normalized with hardly another, so that no
    mode does better.
    """
    is_whole = len(sizes) == len(evidence.layers) > 1
    return evidence.is_poor and is_whole and max(sizes.values()) < _PAIRS
