"""Batch statistics and normalization in `keras.ops`, for every backend.

`x` is the layer's input and `kept` its kept axes, ascending and not negative.
Statistics, gamma and beta all have the *kept shape*: `x`'s shape along `kept`.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from kerasbn import replicas

Tensor = Any


def moments(
    x: Tensor,
    kept: tuple[int, ...],
    mask: Tensor | None = None,
    synchronized: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Mean and biased variance over all axes that are not kept.

        mean = sum(x) / n        variance = sum((x - mean)^2) / n

    The variance takes its own pass: `E[x^2] - E[x]^2` cancels when |mean| >> std.

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
    reduced = _reduced(x, kept)

    def average(values: Tensor) -> Tensor:
        return ops.mean(values, reduced, keepdims=True)

    if mask is None:
        positions, share = None, 1
        counted = _any_position(x, reduced)
    else:
        positions = _positions(x, mask)
        share = average(ops.cast(positions, x.dtype))
        counted = _without(share > 0, reduced)
        share = ops.where(share > 0, share, 1)  # 0 / 0 would poison gradients.

    def only_counted(values: Tensor) -> Tensor:
        return values if positions is None else ops.where(positions, values, 0)

    mean = average(only_counted(x)) / share
    # Backends that sum one by one are off by many roundings. The deviations are
    # small, so is the rounding of theirs; the correction is 0 but for rounding.
    mean = mean + ops.stop_gradient(average(only_counted(x - mean)) / share)
    # Squared last: a masked value whose square overflows would poison gradients.
    variance = average(ops.square(only_counted(x - mean))) / share
    mean, variance = _without(mean, reduced), _without(variance, reduced)
    if synchronized and replicas.active.several():
        weight = _without(_count(x, positions, reduced), reduced)
        return replicas.pooled(mean, variance, weight)
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
        mean: Tensor of the kept shape, as are the next three.
        variance: Not negative.
        gamma: `None` for 1.
        beta: `None` for 0.
        epsilon: Positive number.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    reduced = _reduced(x, kept)
    scale = ops.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    # Subtracting first keeps the precision that x * scale - mean * scale loses
    # when |mean| >> std.
    y = (x - ops.expand_dims(mean, reduced)) * ops.expand_dims(scale, reduced)
    return y if beta is None else y + ops.expand_dims(beta, reduced)


def _reduced(x: Tensor, kept: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis for axis in range(len(x.shape)) if axis not in kept)


def _without(t: Tensor, reduced: tuple[int, ...]) -> Tensor:
    """Drop the reduced axes, of size 1; no axes would mean all to `ops.squeeze`."""
    return ops.squeeze(t, reduced) if reduced else t


def _any_position(x: Tensor, reduced: tuple[int, ...]) -> Tensor | None:
    """Whether the reduced axes hold any position, `None` if they always do."""
    shape = ops.shape(x)
    count = math.prod(shape[axis] for axis in reduced)
    known = isinstance(count, int) and count > 0
    return None if known else ops.convert_to_tensor(count > 0)


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
