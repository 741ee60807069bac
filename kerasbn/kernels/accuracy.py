"""When a sum over rows, one by one in float32, is no longer that of the data."""

from __future__ import annotations

from typing import Any

Tensor = Any


def is_inaccurate(mean: Tensor, variance: Tensor, count: Tensor | float) -> Tensor:
    """Where moments that were found so may be far from those of the rows.

    An addition is off by at most 2^-24 of the sum so far, so the mean of N rows by at
    most N / 2 * 2^-24 of itself. It comes near that where rows differ so little that
    all additions round the same way. The variance, taken around that mean, is too
    large by the error's square. So where the error swamps the variance, the mean as
    found is at least 2^25 / N standard deviations as found, which is more than the
    2^24 / N that are let through. 1000 are never exceeded: float32 itself has little
    to say about such data.

    Args:
        mean: As found.
        variance: As found, of the same shape.
        count: Number of rows, N.

    Returns:
        Boolean tensor of the same shape.
    """
    return mean * mean * (count * count * 2.0**-48 + 1e-6) > variance
