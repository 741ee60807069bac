"""Rules for when an observation of a layer is worth a warning."""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING

from ..subjects.model import keeps_forever

if TYPE_CHECKING:
    from .layers import Lag, WatchedLayer
    from .notices import Notices

_FAR = 0.5  # standard deviations
_WIDE = 2.0  # a factor between variances
_BIAS = 0.05  # the part of the initial values at which statistics count as converged
_NINES = (0.999, 0.99, 0.9, 0.8)
IN_CALL = (
    "Give `call` a parameter training=None, and do not pass None or False on to the "
    "layer (model-lint rule BN101)."
)
LARGER_BATCHES = "use larger ones, or another normalization such as GroupNormalization"


def judge(
    layer: WatchedLayer,
    notices: Notices,
    step: int,
    planned: int | None,
    samples: int | None,
) -> None:
    """Warn about a layer whose statistics are updated, after a sample.

    Args:
        layer: the layer.
        notices: the warnings so far.
        step: the number of steps done.
        planned: the number of steps in total; None if it is not known.
        samples: the number of samples in a batch; None if it is not known.
    """
    _judge_channels(layer, notices, step, samples)
    lag = layer.lag() if planned is not None else None
    if lag is not None and _is_far(lag, _left_at_the_end(layer, step, planned)):
        _warn_of_lag(layer, lag, notices, step, planned, samples)


def judge_still(layer: WatchedLayer, notices: Notices, step: int, advice: str) -> None:
    """Warn about a layer that is trained, but whose statistics are never updated."""
    during = f" in {step:,} training steps" if step else ""
    if keeps_forever(layer.momentum):
        cause = (
            "momentum=1 keeps them for ever. Use 0.99, or 1 - m for PyTorch's "
            "momentum m, and kerasbn.recalibrate(model, data)."
        )
    else:
        cause = f"it runs in inference mode. {advice}"
    notices.give(
        "not moving",
        layer.path,
        step,
        f"the running statistics did not change{during}, though the layer is trained: "
        f"{cause}",
    )


def judge_not_finite(layer: WatchedLayer, notices: Notices, step: int) -> None:
    """Warn about statistics that are NaN or infinite."""
    notices.give(
        "not finite",
        layer.path,
        step,
        "the running statistics are not finite: a batch held NaN or infinity, or the "
        "training diverged, and no average forgets that. Go back to earlier weights, "
        "and clean the data or lower the learning rate; "
        "keras.callbacks.TerminateOnNaN() stops in time (model-lint rule BN207).",
    )


def judge_untrained(layer: WatchedLayer, notices: Notices, step: int) -> None:
    """Warn about updated statistics in a layer that is not trained."""
    notices.give(
        "moving untrained",
        layer.path,
        step,
        f"the running statistics changed in {step:,} training steps, though the layer "
        "is not trained: it is called with training=True. If its network is not meant "
        "to change, like a teacher, freeze it with trainable=False, which holds in a "
        "graph, too, and in a step of your own call it with training=False.",
    )


def judge_calls(layer: WatchedLayer, notices: Notices, step: int) -> None:
    """Warn about a layer that receives different kinds of inputs in one step."""
    if layer.has_unlike_calls:
        notices.give(
            "unlike inputs",
            layer.path,
            step,
            f"its {layer.calls} calls in a step receive inputs of different "
            "statistics: in training each is normalized by its own, in inference all "
            "by one average, and recalibration does not help. Give each input its own "
            "batch normalization layer.",
        )


def judge_at_the_end(
    layer: WatchedLayer, notices: Notices, step: int, samples: int | None
) -> None:
    """Warn about the statistics at the end of training."""
    lag = layer.lag()
    if lag is not None and _is_far(lag, 1):
        _warn_of_lag(layer, lag, notices, step, step, samples)


def _judge_channels(
    layer: WatchedLayer, notices: Notices, step: int, samples: int | None
) -> None:
    dead = layer.dead_channels()
    if dead and dead == layer.channels:
        _warn_of_no_variance(layer, notices, step, samples)
    elif dead:
        notices.give(
            "dead channels",
            layer.path,
            step,
            f"{dead} of {layer.channels} channels {'is' if dead == 1 else 'are'} "
            "constant, with a batch variance of 0: a constant feature of the data, "
            "padding, or units that are dead. A learning rate that is too high kills "
            "ReLU units.",
        )


def _warn_of_no_variance(
    layer: WatchedLayer, notices: Notices, step: int, samples: int | None
) -> None:
    text = "the variance of the batches is 0 in every channel: there is nothing to "
    if samples == 1:
        text += (
            "normalize, since a batch is one sample, with one value in each channel "
            "here. The layer passes on its beta, whatever comes in. Batches of one are "
            f"too small: {LARGER_BATCHES} (model-lint rule BN209)."
        )
    elif samples is None:
        text += (
            "normalize. Check the layer's input, and whether batches have more than "
            "one sample (model-lint rule BN205)."
        )
    else:
        text += (
            "normalize. Check the layer's input: it is the same for all samples of a "
            "batch (model-lint rule BN205)."
        )
    notices.give("collapsed", layer.path, step, text)


def _left_at_the_end(layer: WatchedLayer, step: int, planned: int | None) -> float:
    """Return the fraction of today's distance that remains at the planned end."""
    return 1.0 if planned is None else left_of_start(layer, max(planned - step, 0))


def left_of_start(layer: WatchedLayer, steps: int) -> float:
    """Return the fraction of the running statistics that remains after more steps."""
    if layer.momentum is None:
        return 1.0
    return float(layer.momentum ** (steps * (layer.calls or 1)))


def _is_far(lag: Lag, left: float) -> bool:
    # The distance of the means shrinks with the bias, that of variances likewise.
    return lag.shift * left > _FAR or 1 + (lag.ratio - 1) * left > _WIDE


def _warn_of_lag(
    layer: WatchedLayer,
    lag: Lag,
    notices: Notices,
    step: int,
    planned: int | None,
    samples: int | None,
) -> None:
    if not lag.varies:
        _warn_of_no_variance(layer, notices, step, samples)
        return
    planned = planned or step
    when = "at the end" if planned == step else f"after {step:,} of {planned:,} steps"
    notices.give(
        "lagging",
        layer.path,
        step,
        f"the running statistics lag behind those of the batches: {when} the means "
        f"are {lag.shift:.1f} standard deviations apart, the variances differ by a "
        f"factor of {lag.ratio:.1f}. {advice_of_steps(layer, planned)}",
    )


def advice_of_steps(layer: WatchedLayer, planned: int) -> str:
    """Say what lets running statistics reach those of the batches in so many steps."""
    momentum = layer.momentum
    if momentum is None:
        return "Re-estimate them with kerasbn.recalibrate(model, data)."
    needed, updates = needed_steps(momentum), planned * (layer.calls or 1)
    if needed <= updates:
        return (
            f"They change too fast for momentum={momentum:g}: lower the learning rate "
            "at the end, or use kerasbn.recalibrate(model, data) then."
        )
    fitting = [m for m in _NINES if needed_steps(m) <= updates]
    smaller = f"momentum={fitting[0]:g}, " if fitting else ""
    return (
        f"momentum={momentum:g} needs {needed:,} steps: use {smaller}"
        "kerasbn.BatchNormalization(zero_debias=True), more steps, or "
        "kerasbn.recalibrate(model, data) at the end."
    )


def needed_steps(momentum: float) -> int:
    """Return the steps until no more than 5 % of the initial values remains."""
    return ceil(log(_BIAS) / log(momentum)) if 0 < momentum < 1 else 1
