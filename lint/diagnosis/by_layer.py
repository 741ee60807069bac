"""Causes found in single layers."""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING, Any

from ..subjects.model import keeps_forever
from ..subjects.trainer import calls_by_itself, receives_training, trains_by_itself
from . import signs
from .cause import Cause, Certainty
from .layers import paths_of
from .sentences import counted_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .evidence import Evidence
    from .layers import LayerState

_NARROW = ("float16", "bfloat16")
_BIAS = 0.05  # the part of the initial values at which statistics count as converged


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
    steps = f" after {counted_steps(evidence.steps)}" if evidence.steps else ""
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
    without_flag = [layer for layer in layers if _is_never_flagged(evidence, layer)]
    learned = any(map(signs.has_learned, layers))
    yield Cause(
        "never moved",
        "certain" if evidence.steps or learned else "likely",
        paths_of(layers),
        f"mean and variance still have their initial values{steps}"
        + (", and `fit` runs the layer in inference mode" if without_flag else "")
        + _of_weights(evidence.steps, learned),
        _how_to_move(evidence, layers, learned),
    )


def _of_weights(steps: int | None, learned: bool) -> str:
    """Say what the weights tell of a model that was trained elsewhere, or never."""
    if learned and not steps:
        return ", though the weights do not"
    return "; was the model trained at all?" if steps == 0 else ""


def _how_to_move(evidence: Evidence, layers: list[LayerState], learned: bool) -> str:
    """Say what keeps the statistics from moving."""
    if all(layer.frozen for layer in layers):
        return (
            "set trainable=True before compile; a frozen layer does not update its "
            "statistics"
        )
    if _class_without_flag(evidence.model):
        return _right_call(evidence.model)
    text = (
        "make sure that the layer receives training=True in the training step: "
        "call(self, x, training=None) in a model's class, model(x, training=True) in "
        "a custom loop; with stateless_call, keep the new state"
    )
    if learned and not evidence.steps:
        return (
            "if the weights were copied or averaged from another model, do so with "
            "the statistics, too: weights, not trainable_variables. Else " + text
        )
    return text


def _right_call(model: Any) -> str:
    """Say what makes the model's class receive the flag from `fit`."""
    kind = type(model)
    instead = " in place of __call__" if calls_by_itself(kind) else ""
    return f"write call(self, inputs, training=None) in {kind.__name__}{instead}"


def _class_without_flag(model: Any) -> str:
    """Return the name of the model's class if `fit` cannot pass `training` to it."""
    kind = type(model)
    is_at_fault = not receives_training(model) and not trains_by_itself(kind)
    return kind.__name__ if is_at_fault else ""


def _is_never_flagged(evidence: Evidence, layer: LayerState) -> bool:
    """Whether `fit` runs a layer in inference mode that is not frozen.

    Nothing is known of one whose statistics are not finite: its outputs never change.
    """
    use = evidence.modes[layer.path]["fit"]
    is_idle = use.is_known and use.uses == "running" and not use.moves
    return is_idle and not layer.frozen and layer.is_finite


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
    never = [layer for layer in evidence.layers if _is_never_flagged(evidence, layer)]
    if never and not evidence.bad_weights:
        name = _class_without_flag(evidence.model)
        yield Cause(
            "flag hard-coded",
            "certain",
            paths_of(never),
            "`fit` runs the layer in inference mode, though it is not frozen: "
            + (
                f"the call of {name} has no parameter `training`"
                if name
                else "it receives a constant training=False, or no flag at all"
            ),
            _right_call(evidence.model)
            if name
            else "pass on the `training` argument of `call`, or set trainable=False if "
            "this is intended",
        )


def frozen(evidence: Evidence) -> Iterator[Cause]:
    """Find a frozen layer with the statistics of other data."""
    layers = _concerned(evidence, lambda layer: layer.frozen)
    if not layers:
        return
    text = (
        "trainable=False keeps these statistics as they were, and they do not match "
        "the data"
    )
    if evidence.helps or any(map(signs.is_initial, layers)):
        yield Cause(
            "frozen",
            "certain" if evidence.helps else "likely",
            paths_of(layers),
            text,
            "recalibrate the layer before freezing it, or unfreeze it for a while",
        )
        return
    yield Cause(
        "frozen",
        "possible",
        paths_of(layers),
        f"{text}; the layers behind them may have adapted to that",
        "bring the data to the scale of those before, or unfreeze the layer for a "
        "while",
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
        elif evidence.preprocessing or left is not None or part is None:
            continue  # The data are not those that the statistics approached.
        elif _BIAS < part < 1:
            found[layer.path] = (layer, part, "likely")
    if not found:
        return
    worst, left, _ = max(found.values(), key=lambda it: it[1])
    sure: Certainty = (
        "certain" if any(s == "certain" for *_, s in found.values()) else "likely"
    )
    momentum = worst.momentum or 0
    steps = f"after {counted_steps(evidence.steps)} " if evidence.steps else ""
    yield Cause(
        "not converged",
        sure,
        tuple(found),
        f"{steps}with momentum {momentum:g}, the initial values still make up "
        f"{left:.0%} of the running statistics",
        f"train for {ceil(log(_BIAS) / log(momentum)):,} steps, use a smaller "
        "momentum, or kerasbn.BatchNormalization(zero_debias=True)",
    )


FINDERS: tuple[Callable[[Evidence], Iterable[Cause]], ...] = (
    not_finite,
    never_moved,
    flag_hard_coded,
    frozen,
    dtype_too_narrow,
    not_converged,
)


def _concerned(
    evidence: Evidence, of_kind: Callable[[LayerState], bool]
) -> list[LayerState]:
    """Return the layers of a kind whose statistics need an explanation."""
    return [e for e in evidence.layers if of_kind(e) and evidence.concerns(e)]
