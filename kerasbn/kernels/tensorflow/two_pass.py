"""Plain operations, for every set of axes and every dtype, and for XLA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from keras import ops

from kerasbn.kernels import generic
from kerasbn.kernels.dtypes import at_least_float32
from kerasbn.kernels.layout import merged, neighbours, reduced_axes
from kerasbn.kernels.sums import is_few, total
from kerasbn.kernels.tensorflow.situation import (
    count,
    inside_xla,
    is_small,
    spread,
    usual_count,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerasbn.kernels.base import Normalization

Tensor = Any

PARTS = 8
FEW = 64 * PARTS  # Numbers whose sum is not worth splitting into parts.


def normalize_batch(x: Tensor, how: Normalization) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance.

    With `s = gamma / sqrt(variance + epsilon)`, x_hat the normalized rows and `g` the
    gradient by `y`, the gradient by `x` is that of Ioffe and Szegedy (2015):

        s * (g - mean(g) - x_hat * mean(g * x_hat))

    Autodiff finds it too, with more intermediate tensors.
    """
    shape = ops.shape(x)
    kept_shape = [shape[axis] for axis in how.kept]
    sizes, axes = merged(shape, how.kept)
    reduced = reduced_axes(len(sizes), axes)
    spread = [sizes[axis] if axis in axes else 1 for axis in range(len(sizes))]
    dtype = at_least_float32(x.dtype)
    rows = count([sizes[axis] for axis in reduced], dtype)
    few = usual_count([x.shape[a] for a in reduced_axes(len(shape), how.kept)]) < FEW
    in_parts = reduced[:1] == (0,) and inside_xla() and not few

    def average(values: Tensor) -> Tensor:
        if not inside_xla():
            return total(values, reduced) / rows
        if in_parts:
            values = _in_parts(values, sizes[0])
        # One axis at a time: TensorFlow is slow at several that are no neighbours.
        for axis in reversed(reduced):
            values = tf.reduce_sum(values, axis, keepdims=True)
        return values * (PARTS if in_parts else 1.0) / rows

    # What is lost to rounding where |mean| >> std is less by far if one of the values
    # is subtracted first: in place of the mean, which would be subtracted anyway.
    wide = tf.cast(tf.reshape(x, sizes), dtype)
    origin = _first(wide, reduced)
    differences = wide - origin
    rest = average(differences)
    variance = average(tf.math.squared_difference(differences, rest))
    mean = tf.reshape(origin + rest, kept_shape)
    moments = mean, tf.reshape(variance, kept_shape)
    gamma, beta = how.affine(*moments)
    gamma = tf.ones(spread, dtype) if gamma is None else tf.reshape(gamma, spread)
    beta = tf.zeros(spread, dtype) if beta is None else tf.reshape(beta, spread)
    inverse = tf.math.rsqrt(variance + how.epsilon)

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        scale = inverse * gamma
        y = differences * scale + (beta - rest * scale)

        def gradient(by_y: Tensor) -> Sequence[Tensor]:
            by_y = tf.cast(by_y, dtype)
            # Not kept in memory until here.
            centered = tf.cast(x, dtype) - origin - rest
            by_beta = average(by_y)
            by_gamma = average(by_y * centered) * inverse
            by_x = by_y - by_beta - centered * (inverse * by_gamma)
            by_x = tf.cast(by_x * (inverse * gamma), x.dtype)
            return by_x, by_gamma * rows, by_beta * rows

        return tf.cast(y, x.dtype), gradient

    y = normalized(tf.reshape(x, sizes), gamma, beta)
    return tf.reshape(y, shape), *moments


def _first(values: Tensor, reduced: tuple[int, ...]) -> Tensor:
    """The first values along all reduced axes, 0 if there are none."""
    corner = [slice(1 if a in reduced else None) for a in range(len(values.shape))]
    return tf.stop_gradient(tf.reduce_sum(values[corner], reduced, keepdims=True))


def _in_parts(values: Tensor, length: int | Tensor) -> Tensor:
    """Fewer values along axis 0, of size `length`: their sum by `PARTS` is that of all.

    XLA on the CPU writes the summands of a long sum to memory before it adds them
    one by one. Where a sum is short it does not, and what is left to add up is less;
    that is more accurate, too. Without the factor XLA would make one sum of both.
    """
    part = length // PARTS
    parts = tf.reshape(values[: PARTS * part], (PARTS, part, *values.shape[1:]))
    sums = tf.reduce_sum(parts, 0) / PARTS
    if isinstance(length, int) and length == PARTS * part:
        return sums
    return tf.concat([sums, values[PARTS * part :] / PARTS], 0)


def normalize_small_batch(
    x: Tensor, how: Normalization
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize in two passes with few operations, in the fastest eager form."""
    axes = reduced_axes(len(x.shape), how.kept)
    if not is_few([x.shape[axis] for axis in axes]):
        return generic.normalize_batch(x, how)[:3]
    wide = generic.widened(x)
    runs = [np.array(run, "int32") for run in reversed(neighbours(axes))]

    def average(values: Tensor) -> Tensor:
        for run in runs:  # Over several at once TensorFlow is slow, and less exact.
            values = tf.reduce_mean(values, run)
        return values

    mean = average(wide)
    deviations = tf.subtract(wide, spread(mean, x, how.kept))
    # It adds up one by one: what is left of the deviations is its error. Before they
    # are corrected for that, large values have deviations of few digits: exact sums.
    error = average(deviations)
    squares = average(tf.square(deviations))
    variance = tf.maximum(tf.subtract(squares, tf.square(error)), 0.0)
    mean = tf.add(mean, error)
    deviations = tf.subtract(deviations, spread(error, x, how.kept))
    gamma, beta = how.affine(mean, variance)
    scale = _scale(variance, gamma, how.epsilon)
    y = tf.multiply(deviations, spread(scale, x, how.kept))
    y = y if beta is None else tf.add(y, spread(beta, x, how.kept))
    return tf.cast(y, x.dtype), mean, variance


def normalize(x: Tensor, mean: Tensor, variance: Tensor, how: Normalization) -> Tensor:
    """See `generic.normalize`."""
    wide = generic.widened(x)
    scale = _scale(variance, how.gamma, how.epsilon)
    if is_small(x) and not inside_xla():
        y = tf.subtract(wide, spread(mean, x, how.kept))
        y = tf.multiply(y, spread(scale, x, how.kept))
        y = y if how.beta is None else tf.add(y, spread(how.beta, x, how.kept))
    else:
        # One pass less, and as in stock some precision less where |mean| >> std.
        offset = -mean * scale if how.beta is None else how.beta - mean * scale
        y = wide * spread(scale, x, how.kept) + spread(offset, x, how.kept)
    return tf.cast(y, x.dtype)


def _scale(variance: Tensor, gamma: Tensor | None, epsilon: float) -> Tensor:
    scale = tf.math.rsqrt(tf.add(variance, epsilon))
    return scale if gamma is None else tf.multiply(scale, gamma)
