"""Batch statistics and normalization in `keras.ops`, for every backend."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kerasbn import replicas
from kerasbn.kernels.base import Normalization, Normalized
from kerasbn.kernels.dtypes import at_least_float32, in_dtype
from kerasbn.kernels.layout import reduced_axes
from kerasbn.kernels.sums import total

Tensor = Any

LARGEST = float(np.finfo("float32").max)


class Moments(NamedTuple):
    """Mean and biased variance of a batch, and the way from its values to its mean.

    Attributes:
        mean: Tensor of the kept shape and the dtype of the batch.
        variance: The same.
        counted: See `Normalized`.
        centered: The batch less `origin`, a number near the mean for each index.
        rest: The mean less `origin`, of the kept shape: so `centered - rest` has
            digits that the rounding of the mean would take.
    """

    mean: Tensor
    variance: Tensor
    counted: Tensor | None
    centered: Tensor
    rest: Tensor


def normalize_batch(
    x: Tensor,
    how: Normalization,
    mask: Tensor | None = None,
    synchronized: bool = False,
    substitute: tuple[Tensor, Tensor] | None = None,
) -> Normalized:
    """Normalize with the moments of the batch.

        gamma * (x - mean) / sqrt(variance + epsilon) + beta

    Args:
        x: Float tensor.
        how: The axes, gamma, beta, epsilon and correction.
        mask: `None`, or a tensor that broadcasts to `x.shape[:-1]` and is not 0
            at the positions to be counted.
        synchronized: Whether to count the positions on all replicas.
        substitute: Mean and variance to normalize with where nothing is counted.
    """
    kept = how.kept
    mean, variance, counted, centered, rest = moments(
        widened(x), kept, mask, synchronized
    )
    if counted is not None and substitute is not None:
        rest = ops.where(counted, rest, substitute[0] - (mean - rest))
        mean = ops.where(counted, mean, substitute[0])
        variance = ops.where(counted, variance, substitute[1])
    y = normalize(centered, rest, variance, _with_affine(how, mean, variance))
    return Normalized(ops.cast(y, x.dtype), mean, variance, counted)


def normalize_masked_batch(
    x: Tensor, how: Normalization, mask: Tensor, substitute: tuple[Tensor, Tensor]
) -> Normalized:
    """Normalize with the moments of the positions that a mask counts.

    Args:
        x: Float tensor.
        how: The axes, gamma, beta, epsilon and correction.
        mask: See `normalize_batch`.
        substitute: See there.
    """
    return normalize_batch(x, how, mask, substitute=substitute)


def _with_affine(how: Normalization, mean: Tensor, variance: Tensor) -> Normalization:
    gamma, beta = how.affine(mean, variance)
    return Normalization(how.kept, how.epsilon, gamma, beta)


def moments(
    x: Tensor,
    kept: tuple[int, ...],
    mask: Tensor | None = None,
    synchronized: bool = False,
) -> Moments:
    """Mean and biased variance over all axes that are not kept.

        mean = origin + sum(x - origin) / n
        variance = sum((x - origin)^2) / n - (mean - origin)^2

    The origin is the mean, as a first sum gives it. So `mean - origin` is its error,
    far below the deviation, and nothing cancels: it corrects both for that, as in
    Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983),
    1.7. The origin is a constant to gradients, which are exact for any constant.

    Args:
        x: Float tensor, float32 or float64.
        kept: The kept axes.
        mask: See `normalize_batch`.
        synchronized: See `normalize_batch`.
    """
    reduced = reduced_axes(len(x.shape), kept)
    positions = None if mask is None else _positions(x, mask)
    count = _count(x, positions, reduced)
    counted, divisor = any_position(x, kept), count
    if positions is not None:
        counted = _without(count > 0, reduced)
    if counted is not None:
        divisor = ops.maximum(count, 1)  # 0 / 0 would poison gradients.

    def average(values: Tensor) -> Tensor:
        if positions is not None:
            values = ops.where(positions, values, 0)
        return total(values, reduced) / divisor

    # The bounds change nothing, but keep XLA from computing it within `x - origin`, not
    # rounded as it is elsewhere: it makes one operation of a product and a difference.
    origin = ops.stop_gradient(ops.clip(average(x), -LARGEST, LARGEST))
    centered = x - origin
    rest = average(centered)
    # Squared last: a masked value whose square overflows would poison gradients.
    deviations = centered if positions is None else ops.where(positions, centered, 0)
    variance = total(ops.square(deviations), reduced) / divisor - ops.square(rest)
    origin, rest, variance = (_without(t, reduced) for t in (origin, rest, variance))
    variance = _not_negative(variance)
    mean = origin + rest
    if synchronized and replicas.active.several():
        weight = _without(count, reduced)
        mean, variance, counted = replicas.pooled(mean, variance, weight)
        rest = mean - origin
    return Moments(mean, variance, counted, centered, rest)


def _not_negative(variance: Tensor) -> Tensor:
    """Replace negative rounding errors by 0, without blocking the gradient."""
    return variance + ops.stop_gradient(ops.where(variance < 0, -variance, 0))


def normalize(x: Tensor, mean: Tensor, variance: Tensor, how: Normalization) -> Tensor:
    """Normalize with given moments.

        gamma * (x - mean) / sqrt(variance + epsilon) + beta

    Args:
        x: Float tensor.
        mean: Tensor of the kept shape. Gradients pass through it.
        variance: The same, not negative.
        how: The axes, gamma, beta and epsilon.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    scale = ops.rsqrt(variance + how.epsilon)
    if how.gamma is not None:
        scale = scale * how.gamma
    # As in stock. (x - mean) * scale + beta would be more precise where |mean| >> std,
    # but its gradient takes another sum and keeps another tensor in memory.
    offset = -mean * scale if how.beta is None else how.beta - mean * scale
    y = widened(x) * spread(scale, x, how.kept) + spread(offset, x, how.kept)
    return ops.cast(y, x.dtype)


def repeats() -> bool:
    """Never, as far as is known."""
    return False


def may_be_repeated(x: Tensor) -> bool:
    """Never, too."""
    return False


def count(x: Tensor, kept: tuple[int, ...], mask: Tensor | None = None) -> Tensor:
    """Count the positions per index of a mask, in the dtype of `x`."""
    reduced = reduced_axes(len(x.shape), kept)
    positions = None if mask is None else _positions(x, mask)
    return _without(_count(x, positions, reduced), reduced)


def widened(x: Tensor) -> Tensor:
    """`x` in the wide dtype: float64 if it is that, else float32."""
    return in_dtype(x, at_least_float32(x.dtype))


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
    sizes = ops.shape(x)
    if positions is None:
        count = math.prod(sizes[axis] for axis in reduced)
        return ops.reshape(ops.cast(count, x.dtype), [1] * len(sizes))
    count = total(ops.cast(positions, x.dtype), reduced)
    last = len(sizes) - 1  # A mask has no such axis: it counts each position whole.
    return count * ops.cast(sizes[last], x.dtype) if last in reduced else count
