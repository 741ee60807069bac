"""The fused operation, for rows of channels, `(N, 1, 1, C)`.

It works in 3.5 passes over the tensor. Its sums are taken row by row: where that is
not accurate, its work is done again on shifted data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras import ops

from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.tensorflow.situation import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.kernels.generic import Correction

Tensor = Any

DTYPES = (tf.float32, tf.float16, tf.bfloat16)
ROWS = (0, 1, 2)
FEW_ROWS = 2**13  # So few are as accurate as the sums of `tf.nn.moments`.


def suits(x: Tensor, kept: tuple[int, ...]) -> bool:
    """Whether the operation knows the dtype, and the kept axes are the last."""
    return x.dtype in DTYPES and kept[0] == len(x.shape) - len(kept)


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    correction: Correction | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance; the arguments are those of `generic`."""
    rows = _as_rows(x, kept)
    kept_shape = [x.shape[axis] for axis in kept]

    def shaped(*moments: Tensor) -> list[Tensor]:
        return [tf.reshape(moment, kept_shape) for moment in moments]

    if correction is None:
        gamma = tf.ones(kept_shape) if gamma is None else gamma
        beta = tf.zeros(kept_shape) if beta is None else beta
        y, *moments = _normalize_rows(rows, _flat(gamma), _flat(beta), epsilon)
    else:
        correct = correction

        def corrected(mean: Tensor, variance: Tensor) -> list[Tensor]:
            mean, variance = shaped(mean, variance)
            return [_flat(t) for t in correct(mean, variance, gamma, beta)]

        y, *moments = _renormalize_rows(rows, corrected, epsilon)
    mean, variance = shaped(*moments)
    return tf.reshape(y, ops.shape(x)), mean, variance


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
    y = _apply(
        _as_rows(x, kept),
        _flat(tf.ones_like(mean) if gamma is None else gamma),
        _flat(tf.zeros_like(mean) if beta is None else beta),
        _flat(mean),
        _flat(variance),
        epsilon,
    )
    return tf.reshape(y, ops.shape(x))


def _as_rows(x: Tensor, kept: tuple[int, ...]) -> Tensor:
    """`x` as `(N, 1, 1, C)`, or as it is when the operation knows its form."""
    if len(x.shape) == 4 and kept == (3,):
        return x
    return tf.reshape(x, (-1, 1, 1, math.prod(x.shape[axis] for axis in kept)))


def _flat(t: Tensor) -> Tensor:
    return t if len(t.shape) == 1 else tf.reshape(t, (-1,))


def _normalize_rows(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for rows of channels, `gamma` and `beta` of shape `(C,)`."""

    # A gradient of its own: that of `tf.cond` would add passes over the tensor, and
    # that of the operation would take the statistics of the first attempt.
    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y, mean, variance, *saved = _accurately(x, gamma, beta, epsilon)
        return (y, mean, variance), _gradient(x, gamma, saved, epsilon)

    return normalized(x, gamma, beta)


def _renormalize_rows(
    x: Tensor,
    corrected: Callable[[Tensor, Tensor], Sequence[Tensor]],
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, with the gamma and beta that `corrected` makes of the moments."""
    channels = x.shape[-1:]
    _, mean, variance, *saved = _accurately(
        x, tf.ones(channels), tf.zeros(channels), epsilon
    )

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y = _apply(x, gamma, beta, mean, variance, epsilon)
        return y, _gradient(x, gamma, saved, epsilon)

    return normalized(x, *corrected(mean, variance)), mean, variance


def _gradient(
    x: Tensor, gamma: Tensor, saved: Sequence[Tensor], epsilon: float
) -> Callable[..., Sequence[Tensor]]:
    """The function from the gradient by `y` to those by x, gamma and beta."""

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

    return gradient


def _accurately(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Sequence[Tensor]:
    """`y`, mean, biased variance and three tensors for the gradient."""
    rows = count(ops.shape(x)[:-1], "float32")
    y, mean, variance, *saved = _operation(x, gamma, beta, epsilon)
    # The operation divides by N - 1, or by 1 where N is 1.
    variance *= 1.0 - 1.0 / rows
    found = [y, mean, variance, *saved]
    if isinstance(rows, float) and rows <= FEW_ROWS:
        return found
    inaccurate = is_inaccurate(mean, variance, rows)

    def shifted() -> Sequence[Tensor]:
        moments = tf.nn.moments(tf.cast(x, "float64"), ROWS)
        mean, variance = (tf.cast(moment, "float32") for moment in moments)
        shift = tf.cast(tf.where(inaccurate, mean, 0.0), x.dtype)
        y, _, _, centre, *others = _operation(x - shift, gamma, beta, epsilon)
        return [y, mean, variance, centre + tf.cast(shift, centre.dtype), *others]

    return tf.cond(tf.reduce_any(inaccurate), shifted, lambda: found)


def _operation(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> list[Tensor]:
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


def _apply(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Tensor:
    """`y` from given moments."""
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=False,
    )[0]
