"""The limits up to which moments found in float32 are accurate."""

from __future__ import annotations

from typing import Any

Tensor = Any

LIMIT = 64.0


def is_inaccurate(
    mean: Tensor, variance: Tensor, epsilon: float, limit: Tensor | float = LIMIT
) -> Tensor:
    """Whether the mean is so far above the deviation that it must be subtracted first.

    The relative error of a sum of N rows added one by one is at most N / 2 * 2^-24, and
    comes near that where rows differ so little that all additions round the same way.
    The variance around such a mean is too large by the square of the mean's error, and
    outputs are off by that error. Up to 8 deviations and for blocks of a few hundred
    rows, as kernels use them, that is far below 1e-6 and 5e-6. An output does not
    depend on deviations far below `sqrt(epsilon)`.

    Where the error of the mean swamps the variance, the variance found is at most that
    error's square: the mean is far above its root, too, and is detected.

    Args:
        mean: As found.
        variance: As found, of the same shape.
        epsilon: That of the layer.
        limit: The square of how many deviations the mean may be above 0.

    Returns:
        Boolean tensor of the same shape.
    """
    return mean * mean > limit * (variance + epsilon)
