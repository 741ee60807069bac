"""The fused operation, for rows of channels, `(N, 1, 1, C)`.

It works in 3.5 passes over the tensor. Its sums are taken row by row: the moments of
many rows are found from sums of their own; where the mean is above the deviation, in
parts; and where it is far above, in float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras import ops

from kerasbn.kernels.accuracy import LIMIT, is_inaccurate
from kerasbn.kernels.tensorflow import parts, raw_sums
from kerasbn.kernels.tensorflow.gradients import (
    applied_gradient,
    fused_gradient,
    with_own_gradients,
)
from kerasbn.kernels.tensorflow.situation import count, has_accelerator, is_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.kernels.base import Normalization

Tensor = Any

DTYPES = (tf.float32, tf.float16, tf.bfloat16)
ROWS = (0, 1, 2)
FEW_ROWS = 2**10  # This few are exact enough when added one by one.


def suits(x: Tensor, kept: tuple[int, ...]) -> bool:
    """Whether the operation knows the dtype, and the kept axes are the last."""
    return x.dtype in DTYPES and kept[0] == len(x.shape) - len(kept)


def normalize_batch(x: Tensor, how: Normalization) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance."""
    rows = _as_rows(x, how.kept)
    if how.correction is None and not _are_many(rows):
        y, mean, variance = _at_once(rows, *_affine(rows, how.gamma, how.beta), how)
        mean, variance = _with_gradient(rows, mean, variance)
    else:
        moments = _moments(rows, how.epsilon)
        mean, variance = _with_gradient(rows, *moments[:2])
        shape = [x.shape[axis] for axis in how.kept]
        affine = how.affine(tf.reshape(mean, shape), tf.reshape(variance, shape))
        y = _normalize_rows(rows, *_affine(rows, *affine), moments, how)
    shape = [x.shape[axis] for axis in how.kept]
    mean, variance = tf.reshape(mean, shape), tf.reshape(variance, shape)
    return tf.reshape(y, ops.shape(x)), mean, variance


def normalize(x: Tensor, mean: Tensor, variance: Tensor, how: Normalization) -> Tensor:
    """See `generic.normalize`."""
    rows = _as_rows(x, how.kept)
    given = *_affine(rows, how.gamma, how.beta), _flat(mean), _flat(variance)
    apply = _apply_with_gradient if is_recorded() else _apply
    return tf.reshape(apply(rows, *given, how.epsilon), ops.shape(x))


def _as_rows(x: Tensor, kept: tuple[int, ...]) -> Tensor:
    """`x` as `(N, 1, 1, C)`, or unchanged if the operation accepts its shape."""
    if len(x.shape) == 4 and kept == (3,):
        return x
    return tf.reshape(x, (-1, 1, 1, math.prod(x.shape[axis] for axis in kept)))


def _flat(t: Tensor) -> Tensor:
    return t if len(t.shape) == 1 else tf.reshape(t, (-1,))


def _affine(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gamma and beta of each channel."""
    channels = x.shape[-1:]
    return (
        tf.ones(channels) if gamma is None else _flat(gamma),
        tf.zeros(channels) if beta is None else _flat(beta),
    )


def _are_many(x: Tensor) -> bool:
    """Whether the operation would lose digits. Accelerators add up in trees."""
    sizes = x.shape[:-1]
    few = None not in sizes and math.prod(sizes) <= FEW_ROWS
    return not few and not has_accelerator()


def _at_once(
    x: Tensor, gamma: Tensor, beta: Tensor, how: Normalization
) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance of few rows; no gradient through the moments."""

    # A gradient of its own: that of `tf.cond` would add passes over the tensor, and
    # that of the operation would take the statistics of the first attempt.
    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y, mean, variance, _, *saved = _accurately(x, gamma, beta, how.epsilon)
        return (y, mean, variance), _gradient(x, gamma, saved, how.epsilon)

    return normalized(x, gamma, beta)


def _normalize_rows(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moments: Sequence[Tensor],
    how: Normalization,
) -> Tensor:
    """`y` from what `_moments` has found."""
    mean, variance, rest, *saved = moments

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        offset = beta - rest * gamma * tf.math.rsqrt(variance + how.epsilon)
        y = _apply(x, gamma, offset, mean, variance, how.epsilon)
        return y, _gradient(x, gamma, saved, how.epsilon)

    return normalized(x, gamma, beta)


def _gradient(
    x: Tensor, gamma: Tensor, saved: Sequence[Tensor], epsilon: float
) -> Callable[..., Sequence[Tensor]]:
    """The function from the gradient by `y` to those by x, gamma and beta."""

    def gradient(by_y: Tensor, *_: Tensor) -> Sequence[Tensor]:
        # It can be differentiated once more, with respect to `x` too.
        return fused_gradient(
            y_backprop=by_y,
            x=x,
            scale=gamma,
            reserve_space_1=saved[0],
            reserve_space_2=saved[1],
            reserve_space_3=saved[2],
            epsilon=epsilon,
        )

    return gradient


def _with_gradient(x: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """The moments, as functions of the rows; it costs nothing where that is unused."""
    if tf.executing_eagerly() and not is_recorded():
        return mean, variance
    rows = count(ops.shape(x)[:-1], "float32")

    # One gradient each, so that that of the variance is given the mean as a function of
    # the rows: within a gradient TensorFlow can have no other function with its own,
    # if a `ForwardAccumulator` is around the `tf.function`.
    @tf.custom_gradient
    def mean_of(x: Tensor) -> tuple[Any, Any]:
        def gradient(by_mean: Tensor) -> Tensor:
            by_x = tf.broadcast_to(by_mean / rows, tf.shape(x))
            return tf.cast(by_x, x.dtype)

        return tf.identity(mean), gradient

    @tf.custom_gradient
    def variance_of(x: Tensor, mean: Tensor) -> tuple[Any, Any]:
        def gradient(by_variance: Tensor) -> tuple[Tensor, Tensor]:
            deviations = tf.cast(x, "float32") - mean
            by_x = tf.cast(by_variance * (2.0 / rows) * deviations, x.dtype)
            return by_x, tf.zeros_like(mean)  # Deviations from the mean add up to 0.

        return tf.identity(variance), gradient

    found = mean_of(x)
    return found, variance_of(x, found)


def _moments(x: Tensor, epsilon: float) -> Sequence[Tensor]:
    """Mean, biased variance, `rest` and three tensors for the gradient.

    They are constants. The rest is what rounding took from the mean.
    """
    x = tf.stop_gradient(x)
    if not _are_many(x):
        return _accurately(x, *_affine(x, None, None), epsilon)[1:]

    def found_in_parts() -> Sequence[Tensor]:
        mean, variance = parts.moments(x)
        return _unless_inaccurate(mean, variance, epsilon, lambda: _exactly(x))

    if x.dtype == tf.float32:
        mean, variance, limit = raw_sums.moments(x)
        mean, variance, rest = _unless_inaccurate(
            mean, variance, epsilon, found_in_parts, limit
        )
    else:
        mean, variance, rest = found_in_parts()
    return mean, variance, rest, mean, variance, tf.zeros(0)


def _unless_inaccurate(
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
    otherwise: Callable[[], Sequence[Tensor]],
    limit: Tensor | float = LIMIT,
) -> Sequence[Tensor]:
    """Mean, biased variance and a rest of 0, or what else is found."""
    inaccurate = is_inaccurate(mean, variance, epsilon, limit)
    return tf.cond(
        tf.reduce_any(inaccurate),
        otherwise,
        lambda: (mean, variance, tf.zeros_like(mean)),
    )


def _accurately(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Sequence[Tensor]:
    """`y` before what `_moments` gives, from one run of the operation if possible."""
    rows = count(ops.shape(x)[:-1], "float32")
    y, mean, variance, *saved = _operation(x, gamma, beta, epsilon)
    # The operation divides by N - 1, or by 1 where N is 1.
    variance *= 1.0 - 1.0 / rows
    inaccurate = is_inaccurate(mean, variance, epsilon)

    def shifted() -> Sequence[Tensor]:
        mean, variance, rest = _exactly(x)
        shift = tf.cast(tf.where(inaccurate, mean, 0.0), x.dtype)
        y, _, _, centre, *others = _operation(x - shift, gamma, beta, epsilon)
        centre += tf.cast(shift, centre.dtype)
        return [y, mean, variance, rest, centre, *others]

    found = [y, mean, variance, tf.zeros_like(mean), *saved]
    return tf.cond(tf.reduce_any(inaccurate), shifted, lambda: found)


def _exactly(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance, and what rounding took from the mean."""
    exact, variance = tf.nn.moments(tf.cast(x, "float64"), ROWS)
    mean = tf.cast(exact, "float32")
    rest = tf.cast(exact - tf.cast(mean, "float64"), "float32")
    return mean, tf.cast(variance, "float32"), rest


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
    with with_own_gradients():
        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=mean,
            variance=variance,
            epsilon=epsilon,
            is_training=False,
        )[0]


def _apply_with_gradient(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Tensor:
    """`y` with its gradient, for a tape that watches now."""

    @tf.custom_gradient
    def applied(
        x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor
    ) -> tuple[Any, Any]:
        def gradient(by_y: Tensor) -> Sequence[Tensor]:
            return applied_gradient(by_y, x, gamma, mean, variance, epsilon)

        return _apply(x, gamma, beta, mean, variance, epsilon), gradient

    return applied(x, gamma, beta, mean, variance)
