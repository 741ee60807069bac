"""Plain operations, for every set of axes and every dtype, and for XLA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from keras import ops

from kerasbn.kernels import generic
from kerasbn.kernels.layout import merged, reduced_axes
from kerasbn.kernels.tensorflow.situation import (
    count,
    inside_xla,
    is_small,
    spread,
    usual_count,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerasbn.kernels.generic import Correction

Tensor = Any

PARTS = 8
FEW = 64 * PARTS  # Numbers whose sum is not worth to be taken in parts.


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    correction: Correction | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance; the arguments are those of `generic`.

    With `s = gamma / sqrt(variance + epsilon)`, x_hat the normalized rows and `g` the
    gradient by `y`, the gradient by `x` is that of Ioffe and Szegedy (2015):

        s * (g - mean(g) - x_hat * mean(g * x_hat))

    Autodiff finds it too, with more intermediate tensors.
    """
    shape = ops.shape(x)
    kept_shape = [shape[axis] for axis in kept]
    sizes, axes = merged(shape, kept)
    reduced = reduced_axes(len(sizes), axes)
    spread = [sizes[axis] if axis in axes else 1 for axis in range(len(sizes))]
    dtype = generic.wide_dtype(x)
    rows = count([sizes[axis] for axis in reduced], dtype)
    few = usual_count([x.shape[a] for a in reduced_axes(len(shape), kept)]) < FEW
    in_parts = reduced[:1] == (0,) and inside_xla() and not few

    def average(values: Tensor) -> Tensor:
        if in_parts:
            values = _in_parts(values, sizes[0])
        # One axis at a time: TensorFlow is slow at several that are no neighbours.
        for axis in reversed(reduced):
            values = tf.reduce_sum(values, axis, keepdims=True)
        return values * (PARTS if in_parts else 1.0) / rows

    wide = tf.cast(tf.reshape(x, sizes), dtype)
    if inside_xla():
        first = _first(wide, reduced)
        mean = first + average(wide - first)
    else:
        mean = average(wide)
    centered = wide - mean
    variance = average(tf.square(centered))
    moments = tf.reshape(mean, kept_shape), tf.reshape(variance, kept_shape)
    if correction is not None:
        gamma, beta = correction(*moments, gamma, beta)
    gamma = tf.ones(spread, dtype) if gamma is None else tf.reshape(gamma, spread)
    beta = tf.zeros(spread, dtype) if beta is None else tf.reshape(beta, spread)
    inverse = tf.math.rsqrt(variance + epsilon)

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y = centered * (inverse * gamma) + beta

        def gradient(by_y: Tensor) -> Sequence[Tensor]:
            by_y = tf.cast(by_y, dtype)
            centered = tf.cast(x, dtype) - mean  # Not kept in memory until here.
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
    # Inside XLA it costs nothing to sum differences to one of the values, and what
    # is lost to rounding is less by far where |mean| >> std.
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
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    correction: Correction | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same from few operations, written as what is called fastest eagerly."""
    wide = generic.widened(x)
    reduced = np.array(reduced_axes(len(x.shape), kept), "int32")
    mean = tf.reduce_mean(wide, reduced)
    deviations = tf.subtract(wide, spread(mean, x, kept))
    # It adds up one by one: what is left of the deviations is its error.
    error = tf.reduce_mean(deviations, reduced)
    mean = tf.add(mean, error)
    deviations = tf.subtract(deviations, spread(error, x, kept))
    variance = tf.reduce_mean(tf.square(deviations), reduced)
    if correction is not None:
        gamma, beta = correction(mean, variance, gamma, beta)
    scale = _scale(variance, gamma, epsilon)
    y = tf.multiply(deviations, spread(scale, x, kept))
    y = y if beta is None else tf.add(y, spread(beta, x, kept))
    return tf.cast(y, x.dtype), mean, variance


def normalize(
    x: Tensor,
    kept: tuple[int, ...],
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> Tensor:
    """See `generic.normalize`."""
    wide = generic.widened(x)
    scale = _scale(variance, gamma, epsilon)
    if is_small(x) and not inside_xla():
        y = tf.subtract(wide, spread(mean, x, kept))
        y = tf.multiply(y, spread(scale, x, kept))
        y = y if beta is None else tf.add(y, spread(beta, x, kept))
    else:
        # One pass less, and as in stock some precision less where |mean| >> std.
        offset = -mean * scale if beta is None else beta - mean * scale
        y = wide * spread(scale, x, kept) + spread(offset, x, kept)
    return tf.cast(y, x.dtype)


def _scale(variance: Tensor, gamma: Tensor | None, epsilon: float) -> Tensor:
    scale = tf.math.rsqrt(tf.add(variance, epsilon))
    return scale if gamma is None else tf.multiply(scale, gamma)
