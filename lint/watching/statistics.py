"""Batch statistics from running ones.

A running statistic is S <- m S + (1 - m) B in each step, so after n steps it is m^n S +
(1 - m^n) A, where A is an average of the n batches, in which the last ones count most.
Two readings therefore determine A, without a look at any batch:

    A = (S_now - m^n S_before) / (1 - m^n)

A layer of kerasbn that corrects its bias keeps S' = S / w with the weight w of the
batches so far, which grows as w <- m w + (1 - m): there A is (w_now S'_now - m^n
w_before S'_before) / (w_now - m^n w_before), and a plain layer is the case w = 1. A
cumulative average (momentum None) has m = 1, and w is the count. With renorm=True, the
deviation sqrt(variance + epsilon) is averaged in this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """The running statistics of one layer after a number of training steps.

    Attributes:
        step: the number of steps done.
        mean: the moving mean, flat.
        variance: the moving variance, flat.
        weight: the weight w of the batches in them; 1 in a plain layer.
        deviation: with renorm=True the moving deviation, flat, which the variance
            follows.
        epsilon: the layer's epsilon.
    """

    step: int
    mean: Array
    variance: Array
    weight: float = 1.0
    deviation: Array | None = None
    epsilon: float = 0.0

    def same_as(self, other: Reading) -> bool:
        """Whether no statistic differs by a single bit."""
        return np.array_equal(self.mean, other.mean, equal_nan=True) and np.array_equal(
            self.variance, other.variance, equal_nan=True
        )


@dataclass(frozen=True)
class Batches:
    """The average statistics of the batches between two readings.

    Attributes:
        updates: the number of batches.
        mean: the mean of each channel.
        variance: likewise, of single batches, not of all together.
        noise: the possible effect of the readings' rounding on the variance.
        possible: whether any batches can have it; if not, there were other updates.
    """

    updates: int
    mean: Array
    variance: Array
    noise: Array
    possible: bool


def batches_between(
    before: Reading, now: Reading, momentum: float | None, calls: int
) -> Batches | None:
    """Derive the statistics of the batches between two readings; None if impossible.

    Args:
        before: the earlier reading.
        now: the later one.
        momentum: the layer's momentum, None for a cumulative average.
        calls: the number of calls of the layer in one step.
    """
    updates = (now.step - before.step) * calls
    kept = 1.0 if momentum is None else momentum**updates
    share = now.weight - kept * before.weight
    if updates < 1 or share <= 0:
        return None

    def average(one: Array, other: Array) -> Array:
        return (now.weight * other - kept * before.weight * one) / share

    rounding = 16 * float(np.finfo(np.float32).eps) * now.weight / share
    mean = average(before.mean, now.mean)
    if before.deviation is None or now.deviation is None:
        variance = average(before.variance, now.variance)
        noise = rounding * np.maximum(np.abs(before.variance), np.abs(now.variance))
    else:
        deviation = average(before.deviation, now.deviation)
        variance = deviation * np.abs(deviation) - now.epsilon
        largest = np.maximum(before.deviation, now.deviation)
        noise = rounding * largest * 2 * np.abs(deviation)
    possible = not bool((variance < -noise).any())
    return Batches(updates, mean, np.maximum(variance, 0), noise, possible)


def flat(array: Any) -> Array:
    """Convert an array or tensor to one dimension in float64."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(array), np.float64).ravel()
