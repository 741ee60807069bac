"""Batch statistics and normalization in TensorFlow.

Outside XLA, TensorFlow has one fused operation that does in 3.5 passes over the
tensor what `keras.ops` do in 20. It knows rows of channels: `(N, 1, 1, C)`. Inside
XLA the compiler fuses, and a closed form for the gradient spares it the most.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from keras import ops

# TensorFlow has no public way to ask whether a function is being compiled.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from kerasbn.kernels import generic
from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.layout import merged, reduced_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Tensor = Any

FUSED_DTYPES = (tf.float32, tf.float16, tf.bfloat16)


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """See `generic.normalize_batch`."""
    shape = ops.shape(x)
    kept_shape = tuple(shape[axis] for axis in kept)
    channels = math.prod(kept_shape)
    dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
    gamma = tf.ones(channels, dtype) if gamma is None else _flat(gamma)
    beta = tf.zeros(channels, dtype) if beta is None else _flat(beta)
    if x.dtype in FUSED_DTYPES and not _inside_xla():
        rows, restored = _as_rows(x, kept)
        y, mean, variance = _fused(rows, gamma, beta, epsilon)
        y = restored(y)
    else:
        y, mean, variance = _compiled(x, kept, gamma, beta, epsilon)
    if len(kept) > 1:
        mean, variance = tf.reshape(mean, kept_shape), tf.reshape(variance, kept_shape)
    return y, mean, variance, generic.any_position(x, kept)


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
    first = len(x.shape) - len(kept)
    trailing = kept == tuple(range(first, first + len(kept)))
    if not trailing or x.dtype not in FUSED_DTYPES or _inside_xla():
        return generic.normalize(x, kept, mean, variance, gamma, beta, epsilon)
    rows, restored = _as_rows(x, kept)
    y, *_ = tf.raw_ops.FusedBatchNormV3(
        x=rows,
        scale=tf.ones_like(_flat(mean)) if gamma is None else _flat(gamma),
        offset=tf.zeros_like(_flat(mean)) if beta is None else _flat(beta),
        mean=_flat(mean),
        variance=_flat(variance),
        epsilon=epsilon,
        is_training=False,
    )
    return restored(y)


def _inside_xla() -> bool:
    if tf.executing_eagerly():
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def _flat(t: Tensor) -> Tensor:
    return t if len(t.shape) == 1 else tf.reshape(t, (-1,))


def _as_rows(
    x: Tensor, kept: tuple[int, ...]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`x` as rows of channels, and the function that undoes it.

    Rows come for free where the kept axes are the last ones; else a transposition
    there and one back still cost less than working across the strides.
    """
    if kept == (3,) and len(x.shape) == 4:
        return x, lambda y: y
    shape = ops.shape(x)
    channels = math.prod(shape[axis] for axis in kept)
    sizes, axes = merged(shape, kept)
    order = (*reduced_axes(len(sizes), axes), *axes)
    in_order = order == tuple(range(len(order)))

    def restored(y: Tensor) -> Tensor:
        if not in_order:
            y = tf.reshape(y, [sizes[axis] for axis in order])
            y = tf.transpose(y, np.argsort(order))
        return tf.reshape(y, shape)

    if not in_order:
        x = tf.transpose(tf.reshape(x, sizes), order)
    return tf.reshape(x, (-1, 1, 1, channels)), restored


def _fused(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalized rows, their mean and their biased variance."""

    # A gradient of its own: that of `tf.cond` would add passes over the tensor, and
    # that of the operation would take the statistics of the first attempt.
    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y, mean, variance, *saved = _fused_accurately(x, gamma, beta, epsilon)

        def gradient(by_y: Tensor, *_: Tensor) -> Sequence[Tensor]:
            # It can be differentiated once more, with respect to `x` too.
            return tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=by_y,
                x=x,
                scale=gamma,
                reserve_space_1=saved[0],
                reserve_space_2=saved[1],
                reserve_space_3=saved[2],
                epsilon=epsilon,
            )[:3]

        return (y, mean, variance), gradient

    y, mean, variance = normalized(x, gamma, beta)
    # The operation divides by N - 1, or by 1 where N is 1.
    return y, mean, variance * (1.0 - 1.0 / _row_count(x))


def _fused_accurately(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Sequence[Tensor]:
    """The outputs of the fused operation, from shifted data where that is needed."""
    first = _fused_operation(x, gamma, beta, epsilon)
    mean, variance = first[1:3]
    inaccurate = is_inaccurate(mean, variance, _row_count(x))

    def shifted() -> Sequence[Tensor]:
        shift = tf.cast(tf.where(inaccurate, mean, 0.0), x.dtype)
        y, centre, variance, saved_mean, *others = _fused_operation(
            x - shift, gamma, beta, epsilon
        )
        shift = tf.cast(shift, centre.dtype)
        return [y, centre + shift, variance, saved_mean + shift, *others]

    return tf.cond(tf.reduce_any(inaccurate), shifted, lambda: first)


def _fused_operation(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> list[Tensor]:
    """`y`, mean, unbiased variance and three tensors for the gradient."""
    unused = tf.zeros(0)
    return list(
        tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=unused,
            variance=unused,
            epsilon=epsilon,
        )
    )


def _row_count(x: Tensor) -> Tensor | float:
    """N of `(N, 1, 1, C)`, at least 1: a number where it is known."""
    *sizes, _ = ops.shape(x)
    count = math.prod(sizes)
    if isinstance(count, int):
        return float(max(count, 1))
    return tf.cast(tf.maximum(count, 1), tf.float32)


def _compiled(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor,
    beta: Tensor,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same from plain operations, with a gradient in closed form.

    With `s = gamma / sqrt(variance + epsilon)`, x_hat the normalized rows and `g` the
    gradient by `y`, the gradient by `x` is that of Ioffe and Szegedy (2015):

        s * (g - mean(g) - x_hat * mean(g * x_hat))

    Autodiff finds it too, with more intermediate tensors.
    """
    shape = ops.shape(x)
    sizes, axes = merged(shape, kept)
    reduced = reduced_axes(len(sizes), axes)
    kept_sizes = [sizes[axis] if axis in axes else 1 for axis in range(len(sizes))]

    def average(values: Tensor) -> Tensor:
        return tf.reduce_mean(values, reduced, keepdims=True)

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        wide = tf.cast(x, gamma.dtype)
        mean = average(wide)
        variance = average(tf.square(wide - mean))
        inverse = tf.math.rsqrt(variance + epsilon)
        y = (wide - mean) * (inverse * gamma) + beta

        def gradient(by_y: Tensor, *_: Tensor) -> Sequence[Tensor]:
            by_y = tf.cast(by_y, gamma.dtype)
            by_beta = average(by_y)
            by_gamma = average(by_y * (wide - mean)) * inverse
            by_x = by_y - by_beta - (wide - mean) * (inverse * by_gamma)
            by_x = tf.cast(by_x * (inverse * gamma), x.dtype)
            count = tf.cast(tf.size(x) / tf.size(gamma), gamma.dtype)
            return by_x, by_gamma * count, by_beta * count

        return (tf.cast(y, x.dtype), mean, variance), gradient

    y, mean, variance = normalized(
        tf.reshape(x, sizes),
        tf.reshape(gamma, kept_sizes),
        tf.reshape(beta, kept_sizes),
    )
    return tf.reshape(y, shape), _flat(mean), _flat(variance)
