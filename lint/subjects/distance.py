"""The distance of running statistics from those of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """The distance between two pairs of mean and variance, over all channels.

    Attributes:
        shift: the distance of the means, in standard deviations of the second pair, as
            the root of its mean square over the channels.
        ratio: the factor between the variances, >= 1, as the geometric mean.
        scale: likewise, but as the first variance over the second: above 1 if it is the
            larger one in most channels.
    """

    shift: float
    ratio: float
    scale: float

    @property
    def is_finite(self) -> bool:
        """Whether all of it is finite."""
        return bool(np.isfinite([self.shift, self.ratio, self.scale]).all())


def distance(
    mean: Array, variance: Array, data_mean: Array, data_variance: Array, epsilon: float
) -> Distance:
    """Return the distance of the first mean and variance from the second.

    All arrays have the same shape. Epsilon is added to each variance, as in
    normalizing, so that a channel without variance is neither infinitely far away nor
    divided by 0.
    """
    with np.errstate(all="ignore"):
        square = (mean - data_mean) ** 2 / (data_variance + epsilon)
        factor = np.log((variance + epsilon) / (data_variance + epsilon))
        return Distance(
            float(np.sqrt(square.mean())),
            float(np.exp(np.abs(factor).mean())),
            float(np.exp(factor.mean())),
        )
