"""A warning of losses that part ways, with the reason as far as it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..subjects.live_model import accumulated_batches
from .judging import LARGER_BATCHES, advice_of_steps, left_of_start, needed_steps

if TYPE_CHECKING:
    from .monitor import Monitor
    from .trial import Losses

_SMALL_BATCH = 4
_MUCH = 0.3  # of the running statistics, from before the training


def judge_losses(monitor: Monitor, at_the_end: bool) -> None:
    """Warn if inference is far worse, and not only until statistics converge."""
    momenta = [e.momentum for e in monitor.layers if e.momentum is not None]
    # 5 % of the initial variance may still be more than the variance of batches.
    converged = monitor.step >= 2 * max(map(needed_steps, momenta), default=1)
    losses = monitor.losses
    if not losses or not (at_the_end or converged):
        return
    recent = losses[-1:] if at_the_end else losses[-2:]
    if not at_the_end and len(recent) < 2:
        return
    if all(_part_ways(each, losses[0]) for each in recent):
        last = recent[-1]
        monitor.notices.give(
            "loss",
            None,
            monitor.step,
            f"the same batch has a loss of {last.training:.4g} in training mode "
            f"and of {last.inference:.4g} in inference mode after {monitor.step:,} "
            f"steps: inference does not match training. {reason(monitor)}",
        )


def _part_ways(losses: Losses, first: Losses) -> bool:
    """Whether inference is worse by more than the loss itself, and noticeably.

    A penalty on weights is the same in both. Dropout makes training mode the worse one,
    which is not a mistake.
    """
    now, before = (abs(each.training - each.penalty) for each in (losses, first))
    scale = max(now, 0.05 * before)
    return losses.inference - losses.training > scale


def reason(monitor: Monitor) -> str:
    """Say why inference differs from training, as far as was seen."""
    optimizer = getattr(monitor.model, "optimizer", None)
    if getattr(optimizer, "use_ema", False):
        return (
            "The weights are averages (use_ema), but the running statistics belong "
            "to the weights before averaging: use kerasbn.recalibrate(model, data)."
        )
    unlike = [layer.path for layer in monitor.layers if layer.has_unlike_calls]
    if unlike:
        return (
            f"{unlike[0]} receives different kinds of inputs, which no running "
            "statistics fit: give each input its own batch normalization layer."
        )
    given = {notice.kind for notice in monitor.notices.given}
    if "not moving" in given:
        return "The reason is that running statistics did not change."
    if "lagging" in given:
        return "The reason is that running statistics lag behind."
    return _why_statistics_lag(monitor) or _why_batches_differ(monitor)


def _why_statistics_lag(monitor: Monitor) -> str:
    layers = [e for e in monitor.layers if e.ever_moved and e.keeps_start]
    if not layers:
        return ""
    worst = max(layers, key=lambda layer: left_of_start(layer, monitor.step))
    left = left_of_start(worst, monitor.step)
    if left < _MUCH:
        return ""
    return (
        f"{left:.0%} of the running statistics of {worst.path} are still what they "
        f"started from. {advice_of_steps(worst, monitor.step)}"
    )


def _why_batches_differ(monitor: Monitor) -> str:
    samples, accumulated = monitor.samples, accumulated_batches(monitor.model)
    if samples is not None and samples <= _SMALL_BATCH:
        return (
            f"Batches of {samples} sample{'s' * (samples > 1)} are too small for batch "
            "normalization"
            + (", also if their gradients are accumulated" if accumulated else "")
            + f": {LARGER_BATCHES}."
        )
    return (
        "The running statistics may be wrong, or batches too small or too "
        "different: lint.diagnose(model, x, y) finds the cause and the remedy."
    )
