"""The limits up to which moments found in float32 are accurate."""

from __future__ import annotations

from typing import Any

Tensor = Any

LIMIT = 64.0


def is_inaccurate(
    mean: Tensor, variance: Tensor, epsilon: float, limit: Tensor | float = LIMIT
) -> Tensor:
    """Whether the mean is so far above the deviation that it must be subtracted first.

    A sum of N rows one by one is off by at most N / 2 * 2^-24 of itself, and comes
    near that where rows differ so little that all additions round the same way. The
    variance, taken around the mean found so, is too large by the square of what that
    is off, and outputs by what the mean is off. Up to 8 deviations and for blocks of
    a few hundred rows, as kernels take them, that is far below 1e-6 and 5e-6.
    An output does not depend on deviations far below `sqrt(epsilon)`.

    And where the error of the mean swamps the variance, the variance as found is at
    most that error's square: the mean is far above its root, too, and is seen.

    Args:
        mean: As found.
        variance: As found, of the same shape.
        epsilon: That of the layer.
        limit: The square of how many deviations the mean may be above 0.

    Returns:
        Boolean tensor of the same shape.
    """
    return mean * mean > limit * (variance + epsilon)
