"""Batch statistics and normalization in `keras.ops`, for every backend.

`x` is the layer's input and `kept` its kept axes, ascending and not negative.
Statistics, gamma and beta all have the *kept shape*, `x`'s shape along `kept`, and
the *wide dtype*: float64 if `x` is float64, else float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasbn import replicas
from kerasbn.kernels.layout import reduced_axes

Tensor = Any

# Sums of these backends may be off by as many roundings as they have summands.
ADDS_ONE_BY_ONE = keras.backend.backend() in ("tensorflow", "numpy")

# From mean, variance, gamma and beta to the gamma and beta of Batch Renormalization.
# The moments count as constants there: no gradient passes through them.
Correction = Callable[
    [Tensor, Tensor, Tensor | None, Tensor | None], tuple[Tensor, Tensor]
]


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    correction: Correction | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Normalize with the moments of the batch: `moments`, then `normalize`.

    Args:
        x: Float tensor.
        kept: The kept axes.
        gamma: Tensor of the kept shape, or `None` for 1.
        beta: The same, or `None` for 0.
        epsilon: Positive number.
        correction: What makes the gamma and beta to apply, `None` for nothing.

    Returns:
        `(y, mean, variance, counted)`: a tensor of the shape and dtype of `x`, then
        what `moments` returns. A kernel need not pass gradients through the moments
        it returns, as they only move the running statistics.
    """
    wide = widened(x)
    mean, variance, counted = moments(wide, kept)
    if correction is not None:
        gamma, beta = correction(mean, variance, gamma, beta)
    y = normalize(wide, kept, mean, variance, gamma, beta, epsilon)
    return ops.cast(y, x.dtype), mean, variance, counted


def moments(
    x: Tensor,
    kept: tuple[int, ...],
    mask: Tensor | None = None,
    synchronized: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Mean and biased variance over all axes that are not kept.

        mean = sum(x) / n        variance = sum((x - mean)^2) / n

    The variance takes its own pass: `E[x^2] - E[x]^2` cancels when |mean| >> std.
    Where that is needed both are corrected for the rounding of the mean, as in Chan,
    Golub and LeVeque, "Algorithms for computing the sample variance" (1983), 1.7.

    Args:
        x: Float tensor, float32 or float64.
        kept: The kept axes.
        mask: `None`, or a tensor that broadcasts to `x.shape[:-1]` and is not 0
            at the positions to be counted.
        synchronized: Whether to count the positions on all replicas.

    Returns:
        `(mean, variance, counted)`. The moments have the kept shape and the dtype
        of `x`. `counted` is boolean, broadcasts to the kept shape and is false
        where no position was counted and the moments mean nothing; `None` stands
        for true everywhere.
    """
    reduced = reduced_axes(len(x.shape), kept)

    def average(values: Tensor) -> Tensor:
        return ops.mean(values, reduced, keepdims=True)

    if mask is None:
        positions, share = None, 1
        counted = any_position(x, kept)
    else:
        positions = _positions(x, mask)
        share = average(ops.cast(positions, x.dtype))
        counted = _without(share > 0, reduced)
        share = ops.where(share > 0, share, 1)  # 0 / 0 would poison gradients.

    def only_counted(values: Tensor) -> Tensor:
        return values if positions is None else ops.where(positions, values, 0)

    mean = average(only_counted(x)) / share
    # Squared last: a masked value whose square overflows would poison gradients.
    deviations = only_counted(x - mean)
    variance = average(ops.square(deviations)) / share
    if ADDS_ONE_BY_ONE:
        # The deviations are small, so is the rounding of their sum: their mean is
        # the error of the first.
        error = ops.stop_gradient(average(deviations) / share)
        mean = mean + error
        variance = ops.maximum(variance - ops.square(error), 0)
    mean, variance = _without(mean, reduced), _without(variance, reduced)
    if synchronized and replicas.active.several():
        weight = _without(_count(x, positions, reduced), reduced)
        mean, variance, counted = replicas.pooled(mean, variance, weight)
    if counted is not None:  # 0 / 0 of an empty batch, too, would poison gradients.
        mean = ops.where(counted, mean, 0)
        variance = ops.where(counted, variance, 0)
    return mean, variance, counted


def normalize(
    x: Tensor,
    kept: tuple[int, ...],
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> Tensor:
    """`gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    Args:
        x: Float tensor.
        kept: The kept axes.
        mean: Tensor of the kept shape, as are the next three. A kernel may take it
            and the variance as constants: no gradient passes through them.
        variance: Not negative.
        gamma: `None` for 1.
        beta: `None` for 0.
        epsilon: Positive number.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    scale = ops.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    # As in stock. (x - mean) * scale + beta would be more precise where |mean| >> std,
    # but its gradient takes another sum and keeps another tensor in memory.
    offset = -mean * scale if beta is None else beta - mean * scale
    y = widened(x) * spread(scale, x, kept) + spread(offset, x, kept)
    return ops.cast(y, x.dtype)


def wide_dtype(x: Tensor) -> str:
    """float64 if `x` is, else float32: half precision overflows in sums."""
    is_double = keras.backend.standardize_dtype(x.dtype) == "float64"
    return "float64" if is_double else "float32"


def widened(x: Tensor) -> Tensor:
    """`x` in the wide dtype."""
    return ops.cast(x, wide_dtype(x))


def spread(t: Tensor, x: Tensor, kept: tuple[int, ...]) -> Tensor:
    """`t`, of the kept shape, in a shape that broadcasts to `x`."""
    return ops.expand_dims(t, reduced_axes(len(x.shape), kept))


def any_position(x: Tensor, kept: tuple[int, ...]) -> Tensor | None:
    """Whether the reduced axes hold any position, `None` if they always do."""
    if all(x.shape):  # Neither 0 nor, in a graph, unknown.
        return None
    sizes = ops.shape(x)
    count = math.prod(sizes[axis] for axis in reduced_axes(len(sizes), kept))
    known = isinstance(count, int) and count > 0
    return None if known else ops.convert_to_tensor(count > 0)


def _without(t: Tensor, reduced: tuple[int, ...]) -> Tensor:
    """Drop the reduced axes, of size 1; no axes would mean all to `ops.squeeze`."""
    return ops.squeeze(t, reduced) if reduced else t


def _positions(x: Tensor, mask: Tensor) -> Tensor:
    """The mask as booleans of `x`'s shape, with a last axis of 1."""
    shape = (*ops.shape(x)[:-1], 1)
    return ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), shape)


def _count(x: Tensor, positions: Tensor | None, reduced: tuple[int, ...]) -> Tensor:
    """The number of positions, of size 1 along `reduced`, in the dtype of `x`."""
    if positions is not None:
        return ops.sum(ops.cast(positions, x.dtype), reduced, keepdims=True)
    shape = ops.shape(x)
    count = ops.cast(math.prod(shape[axis] for axis in reduced), x.dtype)
    return ops.reshape(count, [1] * len(shape))
