"""Batch statistics and normalization in TensorFlow.

Outside XLA, one fused operation does in 3.5 passes over the tensor what plain
operations do in 20; it knows rows of channels, `(N, 1, 1, C)`, so the kept axes must
be the last. Elsewhere, and inside XLA, which does the fusing itself, plain operations
with a gradient in closed form take the fewest passes. Small tensors are as fast as
few operations are started.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras import ops

# TensorFlow has no public way to ask whether a function is being compiled.
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from kerasbn.kernels import generic
from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.layout import Size, merged, reduced_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = Any

FUSED_DTYPES = (tf.float32, tf.float16, tf.bfloat16)
SMALL = 2**16  # Elements. The fused operation takes 100 microseconds to start.
USUAL_SIZE = 16  # Of an axis whose size is not known, mostly that of the batch.


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """See `generic.normalize_batch`."""
    counted = generic.any_position(x, kept)
    route = _closed_form
    if not _inside_xla():
        if _is_small(x):
            route = _plain if counted is None else _closed_form
        elif _suits_fused(x, kept):
            route = _fused
    return *route(x, kept, gamma, beta, epsilon), counted


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
    if _inside_xla() or _is_small(x) or not _suits_fused(x, kept):
        return _scaled(x, kept, mean, variance, gamma, beta, epsilon)
    y, *_ = tf.raw_ops.FusedBatchNormV3(
        x=_as_rows(x, kept),
        scale=_flat(tf.ones_like(mean) if gamma is None else gamma),
        offset=_flat(tf.zeros_like(mean) if beta is None else beta),
        mean=_flat(mean),
        variance=_flat(variance),
        epsilon=epsilon,
        is_training=False,
    )
    return tf.reshape(y, ops.shape(x))


def _scaled(
    x: Tensor,
    kept: tuple[int, ...],
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> Tensor:
    """`normalize` from plain operations."""
    wide = generic.widened(x)
    scale = tf.math.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    if _inside_xla() or _is_small(x):
        y = (wide - _spread(mean, x, kept)) * _spread(scale, x, kept)
        y = y if beta is None else y + _spread(beta, x, kept)
    else:
        # One pass less, and as in stock some precision less where |mean| >> std.
        offset = -mean * scale if beta is None else beta - mean * scale
        y = wide * _spread(scale, x, kept) + _spread(offset, x, kept)
    return tf.cast(y, x.dtype)


def _spread(t: Tensor, x: Tensor, kept: tuple[int, ...]) -> Tensor:
    """`generic.spread`, but for free where `t` broadcasts already."""
    return t if kept == (len(x.shape) - 1,) else generic.spread(t, x, kept)


def _inside_xla() -> bool:
    if tf.executing_eagerly():
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def _is_small(x: Tensor) -> bool:
    """Whether starting operations takes longer than their work."""
    return math.prod(USUAL_SIZE if n is None else n for n in x.shape) < SMALL


def _suits_fused(x: Tensor, kept: tuple[int, ...]) -> bool:
    first = len(x.shape) - len(kept)
    return x.dtype in FUSED_DTYPES and kept[0] == first


def _as_rows(x: Tensor, kept: tuple[int, ...]) -> Tensor:
    """`x` as `(N, 1, 1, C)`, or as it is when the operation knows its form."""
    if len(x.shape) == 4 and kept == (3,):
        return x
    return tf.reshape(x, (-1, 1, 1, math.prod(x.shape[axis] for axis in kept)))


def _flat(t: Tensor) -> Tensor:
    return t if len(t.shape) == 1 else tf.reshape(t, (-1,))


def _plain(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Few operations: y, mean and biased variance."""
    wide = generic.widened(x)
    reduced = reduced_axes(len(x.shape), kept)
    mean = tf.reduce_mean(wide, reduced)
    # It adds up one by one: what is left of the deviations is its error.
    mean += tf.reduce_mean(wide - _spread(mean, x, kept), reduced)
    deviation = wide - _spread(mean, x, kept)
    variance = tf.reduce_mean(tf.square(deviation), reduced)
    return _scaled(x, kept, mean, variance, gamma, beta, epsilon), mean, variance


def _fused(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same from the fused operation, for trailing kept axes."""
    kept_shape = [x.shape[axis] for axis in kept]
    gamma = tf.ones(kept_shape) if gamma is None else gamma
    beta = tf.zeros(kept_shape) if beta is None else beta
    rows = _as_rows(x, kept)
    y, mean, variance = _fused_rows(rows, _flat(gamma), _flat(beta), epsilon)
    y = tf.reshape(y, ops.shape(x))
    return y, tf.reshape(mean, kept_shape), tf.reshape(variance, kept_shape)


def _fused_rows(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for rows of channels, `gamma` and `beta` of shape `(C,)`."""

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
    return y, mean, variance * (1.0 - 1.0 / _count(ops.shape(x)[:-1], "float32"))


def _fused_accurately(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Sequence[Tensor]:
    """The outputs of the fused operation, from shifted data where that is needed."""
    first = _fused_operation(x, gamma, beta, epsilon)
    mean, variance = first[1:3]
    inaccurate = is_inaccurate(mean, variance, _count(ops.shape(x)[:-1], "float32"))

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


def _count(sizes: Sequence[Size], dtype: str) -> Tensor | float:
    """Their product, at least 1: a number where it is known."""
    count = math.prod(sizes)
    if isinstance(count, int):
        return float(max(count, 1))
    return tf.cast(tf.maximum(count, 1), dtype)


def _closed_form(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same from plain operations, with a gradient in closed form.

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
    gamma = tf.ones(spread, dtype) if gamma is None else tf.reshape(gamma, spread)
    beta = tf.zeros(spread, dtype) if beta is None else tf.reshape(beta, spread)

    count = _count([sizes[axis] for axis in reduced], dtype)

    def total(values: Tensor) -> Tensor:
        # One axis at a time: TensorFlow is slow at several that are no neighbours.
        for axis in reversed(reduced):
            values = tf.reduce_sum(values, axis, keepdims=True)
        return values

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        wide = tf.cast(x, dtype)
        mean = total(wide) / count
        centered = wide - mean
        variance = total(tf.square(centered)) / count
        inverse = tf.math.rsqrt(variance + epsilon)
        y = centered * (inverse * gamma) + beta

        def gradient(by_y: Tensor, *_: Tensor) -> Sequence[Tensor]:
            by_y = tf.cast(by_y, dtype)
            centered = tf.cast(x, dtype) - mean  # Not kept in memory until here.
            by_beta = total(by_y)
            by_gamma = total(by_y * centered) * inverse
            by_x = by_y - by_beta / count - centered * (inverse * by_gamma / count)
            by_x = tf.cast(by_x * (inverse * gamma), x.dtype)
            return by_x, by_gamma, by_beta

        return (tf.cast(y, x.dtype), mean, variance), gradient

    y, mean, variance = normalized(tf.reshape(x, sizes), gamma, beta)
    return (
        tf.reshape(y, shape),
        tf.reshape(mean, kept_shape),
        tf.reshape(variance, kept_shape),
    )
