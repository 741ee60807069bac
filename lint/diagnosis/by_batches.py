"""Causes found in the batches: too few of them, too small, or too unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import signs
from .cause import Cause, Certainty
from .fits import fit_kinds, fitting_size, tried_size
from .layers import is_timed, paths_of
from .names import BATCH_NORM, IN_ORDER, INFERENCE, TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_SMALL_MOMENTUM, _DOUBTFUL_MOMENTUM = 0.5, 0.85
_LIKE_NOISE = (0.25, 4.0)  # times the shift that noise alone causes
_SMALL_BATCH, _PAIRS = 4.5, 2.5
_BIAS = 0.05  # the part of the initial values at which statistics count as converged
_OTHERWISE_EXPLAINED = (signs.is_initial, signs.is_stuck, signs.has_unlike_calls)
_LARGER_MOMENTUM = "use 0.9 to 0.999 (PyTorch's 0.1 is 0.9 here)"
_LARGER_BATCHES = "train with batches of 16 or more, or use another normalization"
_MIXED_BATCHES = (
    "shuffle, so that each batch has samples of all kinds; else give each domain its "
    "own batch normalization layer, or use another normalization, as in a "
    "discriminator that is given real and generated batches in turn"
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
        is_small = momentum < _SMALL_MOMENTUM
        # Of many layers, each off by little, the harm may be considerable.
        is_costly = is_small and evidence.is_harmed and evidence.helps
        if momentum >= _DOUBTFUL_MOMENTUM or not (layer.is_off or is_costly):
            continue
        expected = signs.noise_of_average(layer, momentum)
        shift = layer.distance.shift if layer.distance else 0
        like_noise = expected and _LIKE_NOISE[0] < shift / expected < _LIKE_NOISE[1]
        if is_small or (like_noise and evidence.is_harmed):
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
            _LARGER_MOMENTUM,
        )


def batches_too_small(evidence: Evidence) -> Iterator[Cause]:
    """Find variances of batches of so few samples that most of it is missing."""
    able = [e for e in evidence.layers if e.data and not e.frozen and e.is_finite]
    if _show_kinds(evidence):
        return  # Batches of one kind each lack variance, too.
    sizes = {}
    for layer in able:
        if any(sign(layer) for sign in _OTHERWISE_EXPLAINED):
            continue
        size = signs.effective_batch_size(layer, _left(evidence, layer))
        if size is not None and size < _SMALL_BATCH:
            sizes[layer.path] = size
    single = [e for e in able if e.data and e.data.positions <= 1]
    if evidence.data.batch_size == 1 and not evidence.data.from_arrays and single:
        yield Cause(
            "batches too small",
            "certain",
            paths_of(single),
            "the given batches have one sample each, which has no variance here",
            _LARGER_BATCHES,
        )
    elif (
        sizes
        and len(sizes) >= 2 / 3 * len(able)
        and (_any_concerned(evidence, sizes) or _is_poor_of_pairs(evidence, sizes))
    ):
        yield _of_size(
            evidence,
            float(np.median(list(sizes.values()))),
            "certain" if len(sizes) == len(able) > 1 else "likely",
            tuple(sizes),
        )
    else:
        yield from _of_fitting_size(evidence, able)


def _of_fitting_size(evidence: Evidence, able: Sequence[LayerState]) -> Iterator[Cause]:
    """Find small batches that all layers together show, if nothing else is wrong.

    In training, each layer received what those before it made of small batches; what it
    receives now differs, so that the size is not seen in each layer.
    """
    if not _are_converged(evidence, able) or not all(map(signs.means_stay, able)):
        return
    tried, lacking = tried_size(able, evidence.of_sizes)
    is_known = bool(evidence.accumulated) or evidence.data.batch_size < _SMALL_BATCH
    if evidence.is_harmed and not is_known:
        if lacking:
            certainty: Certainty = "likely" if len(lacking) > 1 else "possible"
            yield _of_size(evidence, tried, certainty, paths_of(lacking))
        return
    size, layers = fitting_size(able)
    if len(lacking) > 1 and not layers:
        size, layers = tried, lacking
    if layers and size < _SMALL_BATCH:
        likely = evidence.accumulated or evidence.is_poor
        yield _of_size(
            evidence, size, "likely" if likely else "possible", paths_of(layers)
        )


def _of_size(
    evidence: Evidence, size: float, certainty: Certainty, paths: tuple[str, ...]
) -> Cause:
    whole = max(1, round(size))
    text = (
        "the running variances lack the differences between samples, as after "
        f"training on batches of about {whole} sample{'s' * (whole > 1)}"
    )
    if evidence.accumulated:
        text += (
            f": the optimizer adds up the gradients of {evidence.accumulated} batches, "
            "but each is normalized by itself"
        )
    return Cause("batches too small", certainty, paths, text, _LARGER_BATCHES)


def _show_kinds(evidence: Evidence) -> bool:
    """Whether the running statistics are those of batches of one kind each."""
    return _are_converged(evidence, evidence.layers) and fit_kinds(
        evidence.layers, evidence.of_kinds
    )


def _are_converged(evidence: Evidence, layers: Iterable[LayerState]) -> bool:
    """Whether hardly any of their initial values is left in running statistics."""
    return all(_left(evidence, e) <= _BIAS for e in layers if signs.is_averaged(e))


def _left(evidence: Evidence, layer: LayerState) -> float:
    """Return the part of the initial values in the running statistics."""
    left = signs.left_by_steps(layer, evidence.steps)
    return max(signs.initial_part(layer) or 0.0, 0.0) if left is None else left


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
            _advice_of_calls(evidence, layers),
        )
    apart = [
        layer
        for layer in evidence.layers
        if signs.has_unlike_batches(layer) and not signs.has_unlike_calls(layer)
    ]
    if apart and evidence.is_harmed:
        yield Cause(
            "unlike inputs",
            "likely",
            paths_of(apart),
            "batches are of different kinds: their means differ by far more than "
            "those of random batches",
            _MIXED_BATCHES,
        )


def _advice_of_calls(evidence: Evidence, layers: Iterable[LayerState]) -> str:
    if all(is_timed(evidence.model, layer.path) for layer in layers):
        return (
            "call it on all steps at once: within TimeDistributed, each step is "
            "normalized by itself in training"
        )
    return "give each input its own batch normalization layer"


def one_kind_each(evidence: Evidence) -> Iterator[Cause]:
    """Find a model that was trained on batches of one kind each.

    Either the order of the data matters to it, or its running statistics lack the
    differences between kinds. The latter is found where a model is poor in any mode:
    each batch was relieved of just what tells its kind.
    """
    if evidence.worse(BATCH_NORM, IN_ORDER) and evidence.worse(INFERENCE, IN_ORDER):
        text = (
            "the model does better with batches in the order of the data than with "
            "shuffled ones: each batch in training held samples of one kind"
        )
    elif (evidence.is_harmed or evidence.is_poor) and _show_kinds(evidence):
        text = (
            "the running variances lack the differences between kinds of samples: each "
            "batch in training held samples of one kind, which normalization made alike"
        )
    else:
        return
    yield Cause(
        "unlike inputs", "likely", paths_of(evidence.layers), text, _MIXED_BATCHES
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
