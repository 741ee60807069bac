"""Normalization by the fused operation, which works in 3.5 passes over the tensor.

On a CPU its sums are taken row by row in float32, which already loses digits of a few
hundred rows with many equal values, as behind a ReLU. There the moments are found from
sums of their own; where the mean is above the deviation, in parts; and where it is far
above, in float64. Accelerators add up in trees.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras import ops

from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.tensorflow import operation, parts, raw_sums
from kerasbn.kernels.tensorflow.gradients import ROWS
from kerasbn.kernels.tensorflow.situation import count, has_accelerator, is_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.kernels.base import Normalization

Tensor = Any


def suits(x: Tensor, kept: tuple[int, ...]) -> bool:
    """Whether the operation knows the dtype, and the kept axes are the last."""
    return x.dtype in operation.DTYPES and kept[0] == len(x.shape) - len(kept)


def normalize_batch(x: Tensor, how: Normalization) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance."""
    rows = _as_rows(x, how.kept)
    shape = [x.shape[axis] for axis in how.kept]
    if not has_accelerator():
        normalize_rows = _normalize_by_sums
    elif how.correction is None:
        normalize_rows = _normalize_at_once
    else:
        normalize_rows = _normalize_at_once_corrected
    y, mean, variance = normalize_rows(rows, how, shape)
    mean, variance = tf.reshape(mean, shape), tf.reshape(variance, shape)
    return tf.reshape(y, ops.shape(x)), mean, variance


def normalize(x: Tensor, mean: Tensor, variance: Tensor, how: Normalization) -> Tensor:
    """See `generic.normalize`."""
    rows = _as_rows(x, how.kept)
    given = *_affine(rows, how.gamma, how.beta), _flat(mean), _flat(variance)
    y = operation.apply_with_gradient(rows, *given, how.epsilon)
    return tf.reshape(y, ops.shape(x))


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


def _normalize_at_once(
    x: Tensor, how: Normalization, shape: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance from one run of the operation."""

    # A gradient of its own: that of `tf.cond` would add passes over the tensor, and
    # that of the operation would take the statistics of the first attempt.
    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y, mean, variance, saved = _accurately(x, gamma, beta, how.epsilon)
        gradient = operation.train_gradient(x, gamma, saved, how.epsilon)
        return (y, mean, variance), gradient

    y, mean, variance = normalized(x, *_affine(x, how.gamma, how.beta))
    return y, *_with_gradient(x, mean, variance)


def _normalize_at_once_corrected(
    x: Tensor, how: Normalization, shape: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, with a gamma and beta that follow from the moments."""
    wide = tf.cast(tf.stop_gradient(x), "float32")
    ones_and_zeros = _affine(x, None, None)
    standard, mean, variance, saved = _accurately(wide, *ones_and_zeros, how.epsilon)

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        y = tf.cast(standard * gamma + beta, x.dtype)
        return y, operation.train_gradient(x, gamma, saved, how.epsilon)

    mean, variance = _with_gradient(x, mean, variance)
    affine = how.affine(tf.reshape(mean, shape), tf.reshape(variance, shape))
    return normalized(x, *_affine(x, *affine)), mean, variance


def _normalize_by_sums(
    x: Tensor, how: Normalization, shape: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance from sums of their own."""
    found, variance, shift = _moments(tf.stop_gradient(x), how.epsilon)

    @tf.custom_gradient
    def normalized(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Any, Any]:
        given = found, variance
        y = operation.apply(x, gamma, beta - shift * gamma, *given, how.epsilon)
        saved = *given, tf.zeros(0)
        return y, operation.train_gradient(x, gamma, saved, how.epsilon)

    moments = _with_gradient(x, found, variance)
    affine = how.affine(*(tf.reshape(moment, shape) for moment in moments))
    return normalized(x, *_affine(x, *affine)), *moments


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
    """Mean and biased variance.

    And what rounding took from the mean, in deviations: `y` is less by that.
    """

    def found_in_parts() -> Sequence[Tensor]:
        mean, variance = parts.moments(x)
        inaccurate = is_inaccurate(mean, variance, epsilon)
        return _unless(inaccurate, (mean, variance, tf.zeros_like(mean)), exactly)

    def exactly() -> Sequence[Tensor]:
        mean, variance, rest = _exactly(x)
        return mean, variance, rest * tf.math.rsqrt(variance + epsilon)

    if x.dtype != tf.float32:
        return found_in_parts()
    mean, variance, limit = raw_sums.moments(x)
    inaccurate = is_inaccurate(mean, variance, epsilon, limit)
    return _unless(inaccurate, (mean, variance, tf.zeros_like(mean)), found_in_parts)


def _accurately(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor, Sequence[Tensor]]:
    """`y`, mean, biased variance and three tensors for the gradient.

    From one run of the operation if possible. No gradient passes through them.
    """
    x, gamma, beta = (tf.stop_gradient(t) for t in (x, gamma, beta))
    y, mean, variance, saved = operation.train(x, gamma, beta, epsilon)
    # The operation divides by N - 1, or by 1 where N is 1.
    variance *= 1.0 - 1.0 / count(ops.shape(x)[:-1], "float32")
    inaccurate = is_inaccurate(mean, variance, epsilon)

    def shifted() -> Sequence[Tensor]:
        mean, variance, _ = _exactly(x)
        shift = tf.cast(tf.where(inaccurate, mean, 0.0), x.dtype)
        y, *_, others = operation.train(x - shift, gamma, beta, epsilon)
        others[0] += tf.cast(shift, others[0].dtype)
        return y, mean, variance, *others

    y, mean, variance, *saved = _unless(
        inaccurate, (y, mean, variance, *saved), shifted
    )
    return y, mean, variance, saved


def _unless(
    inaccurate: Tensor,
    found: Sequence[Tensor],
    otherwise: Callable[[], Sequence[Tensor]],
) -> Sequence[Tensor]:
    """What was found, or what `otherwise` finds if any of it is inaccurate.

    In a graph that is a function which must not be inlined: TensorFlow would visit all
    of its operations in each step, to say that none is needed.
    """
    if not tf.executing_eagerly():
        kept_apart = {"_noinline": True}
        otherwise = tf.function(
            otherwise, autograph=False, experimental_attributes=kept_apart
        )
    return tf.cond(tf.reduce_any(inaccurate), otherwise, lambda: tuple(found))


def _exactly(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance, and what rounding took from the mean."""
    exact, variance = tf.nn.moments(tf.cast(x, "float64"), ROWS)
    mean = tf.cast(exact, "float32")
    rest = tf.cast(exact - tf.cast(mean, "float64"), "float32")
    return mean, tf.cast(variance, "float32"), rest
