"""Causes that single layers show."""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING

import numpy as np

from . import signs
from .cause import Cause, Certainty
from .layers import paths_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .evidence import Evidence
    from .layers import LayerState

_NARROW = ("float16", "bfloat16")
_BIAS = 0.05  # of the initial values, up to which statistics count as converged
_SMALL_MOMENTUM, _DOUBTFUL_MOMENTUM = 0.5, 0.85
_SMALL_BATCH = 4.5
_LIKE_NOISE = (0.25, 4.0)  # times the shift that noise alone makes


def not_finite(evidence: Evidence) -> Iterator[Cause]:
    """Statistics, weights or data that are NaN or infinite."""
    layers = paths_of(each for each in evidence.layers if not each.is_finite)
    if layers:
        yield Cause(
            "not finite",
            "certain",
            layers,
            "running statistics are NaN or infinite, or a variance is negative",
            "one batch with a NaN or infinity in it is enough: look for it in the "
            "data, and stop training by keras.callbacks.TerminateOnNaN()",
        )
    if evidence.bad_weights:
        yield Cause(
            "not finite",
            "certain",
            (),
            f"weights are not finite: {', '.join(evidence.bad_weights[:3])}",
            "go back to a checkpoint from before, and lower the learning rate",
        )
    if evidence.bad_data:
        yield Cause(
            "not finite",
            "certain",
            (),
            "the data given hold NaN or infinity",
            "clean the data, for instance with numpy.nan_to_num",
        )


def never_moved(evidence: Evidence) -> Iterator[Cause]:
    """Running statistics that are the initial ones, though the data's are others."""
    layers = [
        each for each in evidence.layers if signs.is_initial(each) and each.is_off
    ]
    if not layers:
        return
    steps = f" after {evidence.steps:,} training steps" if evidence.steps else ""
    untold = [
        each
        for each in layers
        if not each.frozen and evidence.modes[each.path]["fit"].uses == "running"
    ]
    yield Cause(
        "never moved",
        "certain"
        if evidence.steps or any(map(signs.has_learned, layers))
        else "likely",
        paths_of(layers),
        f"mean and variance still have their initial values{steps}"
        + (", and `fit` runs the layer in inference mode" if untold else "")
        + ("; was the model trained at all?" if evidence.steps == 0 else ""),
        "see that the training step tells the layer that it trains: call(self, x, "
        "training=None) in a model's class, model(x, training=True) in a loop of your "
        "own, and keep the new state of stateless_call",
    )


def flag_hard_coded(evidence: Evidence) -> Iterator[Cause]:
    """A layer that uses the batch in `predict`, or does not in `fit`."""
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
            + (" and moves the running ones" if moves else "")
            + ", so that a prediction depends on what else is in the batch",
            "leave out the constant training=True, or pass the training of `call` on",
        )
    never = paths_of(
        each
        for each in evidence.layers
        if not each.frozen
        and modes[each.path]["fit"].is_known
        and modes[each.path]["fit"].uses == "running"
        and not modes[each.path]["fit"].moves
    )
    if never:
        yield Cause(
            "flag hard-coded",
            "certain",
            never,
            "`fit` runs the layer in inference mode, though it is not frozen: a "
            "constant training=False reaches it, or no flag at all",
            "pass the training of `call` on, or set trainable=False if it is meant",
        )


def frozen(evidence: Evidence) -> Iterator[Cause]:
    """A frozen layer with the statistics of other data."""
    layers = _concerned(evidence, lambda each: each.frozen)
    if layers and (evidence.helps or any(map(signs.is_initial, layers))):
        yield Cause(
            "frozen",
            "certain" if evidence.helps else "likely",
            paths_of(layers),
            "trainable=False keeps these statistics as they were, and they are not "
            "those of the data",
            "recalibrate the layer before it is frozen, or set it free for a while",
        )


def dtype_too_narrow(evidence: Evidence) -> Iterator[Cause]:
    """Running statistics in half precision, in which small steps are lost."""
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
    """Statistics between their initial values and those of the data."""
    found: dict[str, tuple[LayerState, float, Certainty]] = {}
    for each in _concerned(evidence, signs.is_averaged):
        part = signs.initial_part(each)
        left = signs.left_by_steps(each, evidence.steps)
        if left is not None and left > _BIAS:
            found[each.path] = (each, left, "certain" if part else "likely")
        elif left is None and part is not None and _BIAS < part < 1:
            found[each.path] = (each, part, "likely")
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
        f"{steps}with momentum {momentum:g}, {left:.0%} of the running statistics is "
        "still their initial value",
        f"train for {ceil(log(_BIAS) / log(momentum)):,} steps, use a smaller "
        "momentum, or kerasbn.BatchNormalization(zero_debias=True)",
    )


def momentum_too_small(evidence: Evidence) -> Iterator[Cause]:
    """Statistics of the last few batches only, which are noisy."""
    layers, agrees = [], False
    for each in evidence.layers:
        momentum = each.momentum
        if momentum is None or each.frozen or signs.is_initial(each) or not each.data:
            continue
        if momentum >= _DOUBTFUL_MOMENTUM or not each.is_off:
            continue
        expected = signs.noise_of_average(each, momentum)
        shift = each.distance.shift if each.distance else 0
        like_noise = expected and _LIKE_NOISE[0] < shift / expected < _LIKE_NOISE[1]
        if momentum < _SMALL_MOMENTUM or (like_noise and evidence.is_harmed):
            layers.append(each)
            agrees |= bool(like_noise)
    if layers:
        momentum = min(each.momentum or 0 for each in layers)
        average = (1 + momentum) / (1 - momentum)
        yield Cause(
            "momentum too small",
            "certain" if agrees and momentum < _SMALL_MOMENTUM else "likely",
            paths_of(layers),
            f"momentum={momentum:g} averages about {average:.1f} batches, whose noise "
            "is in the running statistics",
            "use 0.9 to 0.999 (PyTorch's 0.1 is 0.9 here)",
        )


def batches_too_small(evidence: Evidence) -> Iterator[Cause]:
    """Variances of batches of so few samples that most of it is missing."""
    able = [e for e in evidence.layers if e.data and not e.frozen and e.is_finite]
    sizes = {}
    for each in able:
        size = signs.effective_batch_size(each) if not signs.is_initial(each) else None
        if size is not None and size < _SMALL_BATCH:
            sizes[each.path] = size
    given = evidence.data.batch_size
    if given == 1 and not evidence.data.from_arrays:
        yield Cause(
            "batches too small",
            "certain",
            paths_of(able),
            "the batches given hold one sample, of which there is no variance",
            "train with batches of 16 or more, or use another normalization",
        )
    elif sizes and len(sizes) >= 2 / 3 * len(able) and _any_concerned(evidence, sizes):
        size = max(1, round(float(np.median(list(sizes.values())))))
        yield Cause(
            "batches too small",
            "certain" if len(sizes) == len(able) > 1 else "likely",
            tuple(sizes),
            "the running variances lack what samples differ by, as after training on "
            f"batches of about {size} sample{'s' * (size > 1)}",
            "train with batches of 16 or more, or use another normalization",
        )


def unlike_inputs(evidence: Evidence) -> Iterator[Cause]:
    """One layer that is called with unlike inputs, or with unlike batches."""
    if not evidence.is_harmed:
        layers = []
    else:
        layers = [each for each in evidence.layers if signs.has_unlike_calls(each)]
    if layers:
        yield Cause(
            "unlike inputs",
            "certain" if evidence.is_incurable else "likely",
            paths_of(layers),
            "the layer is called with inputs of unlike statistics: in training each "
            "is normalized by its own, in inference all by one average",
            "give each input a batch normalization layer of its own",
        )
    apart = [each for each in evidence.layers if signs.has_unlike_batches(each)]
    if apart and evidence.is_harmed:
        yield Cause(
            "unlike inputs",
            "likely",
            paths_of(apart),
            "batches are of unlike kinds: their means differ by far more than those "
            "of random batches",
            "shuffle, so that each batch has samples of all kinds; or give each "
            "domain a batch normalization layer of its own",
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
    """The layers of a kind whose statistics need an explanation."""
    return [e for e in evidence.layers if of_kind(e) and evidence.concerns(e)]


def _any_concerned(evidence: Evidence, paths: Iterable[str]) -> bool:
    return any(evidence.concerns(e) for e in evidence.layers if e.path in set(paths))
