"""Mean and variance of many batches as if they were one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Pool:
    """Count, mean and variance of all samples added so far, in float64.

    Batches A and B are merged by

        n    = n_A + n_B
        mean = mean_A + (mean_B - mean_A) * n_B / n
        M2   = M2_A + M2_B + (mean_B - mean_A)^2 * n_A * n_B / n

    where `M2 = n * variance` is the sum of squared deviations: the law of total
    variance, in the form of [Chan, Golub and LeVeque,
    1983](https://doi.org/10.1080/00031305.1983.10483115), which does not cancel as
    `E[x^2] - E[x]^2` does.

    Args:
        shape: The shape of the statistics; each element has a count of its own.

    Attributes:
        count: The number of samples, float64 of that shape, as are the next two.
        mean: Their mean; 0 where there are none.
        batches: The number of batches that had samples.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count: Array = np.zeros(shape)
        self.mean: Array = np.zeros(shape)
        self.batches: Array = np.zeros(shape)
        self._m2: Array = np.zeros(shape)

    def add(self, count: Array, mean: Array, variance: Array) -> None:
        """Add a batch by its count, mean and biased variance, all of that shape.

        Where the count is 0, the moments mean nothing and may be NaN.
        """
        counted = count > 0
        total = self.count + count
        share = np.divide(count, total, out=np.zeros_like(total), where=counted)
        change = np.where(counted, mean - self.mean, 0)
        self.mean += change * share
        self._m2 += np.where(counted, count * variance, 0)
        self._m2 += change**2 * self.count * share
        self.count = total
        self.batches = self.batches + counted

    def merge(self, other: Pool, same_batches: bool) -> None:
        """Add what another pool has, of other batches or of parts of the same."""
        batches = self.batches
        self.add(other.count, other.mean, other.variance)
        join = np.maximum if same_batches else np.add
        self.batches = join(batches, other.batches)

    @property
    def variance(self) -> Array:
        """The biased variance of all samples; 0 where there are none."""
        return self._m2 / np.maximum(self.count, 1)
