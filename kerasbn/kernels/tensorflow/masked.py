"""Normalization by the fused operation of a batch with a mask.

The moments are found from the counted rows alone, and then applied to all of them.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import ops

from kerasbn.kernels.base import Normalization, Normalized
from kerasbn.kernels.tensorflow import operation, raw_sums
from kerasbn.kernels.tensorflow.situation import is_small

Tensor = Any


def suits(x: Tensor, kept: tuple[int, ...]) -> bool:
    """Whether the channels are the last axis: a mask may cut any other in two."""
    is_last = kept == (len(x.shape) - 1,)
    return is_last and x.dtype == tf.float32 and not is_small(x)


def normalize_masked_batch(
    x: Tensor, how: Normalization, mask: Tensor, substitute: tuple[Tensor, Tensor]
) -> Normalized:
    """See `generic.normalize_masked_batch`."""
    rows = tf.reshape(x, (-1, 1, 1, x.shape[-1]))
    positions = tf.broadcast_to(tf.cast(mask, "bool"), ops.shape(x)[:-1])
    positions = tf.reshape(positions, (-1, 1, 1, 1))
    number = tf.math.count_nonzero(positions, dtype="int32")
    counted, divisor = number > 0, tf.maximum(number, 1)
    mean, variance, rest = _moments(tf.stop_gradient(rows), positions, divisor)
    mean, variance = _with_gradient(rows, mean, variance, positions, divisor)
    mean = tf.where(counted, mean, substitute[0])
    variance = tf.where(counted, variance, substitute[1])
    gamma, beta = how.affine(mean, variance)
    gamma = tf.ones_like(mean) if gamma is None else gamma
    beta = tf.zeros_like(mean) if beta is None else beta
    offset = beta - gamma * tf.stop_gradient(
        tf.where(counted, rest, 0.0) * tf.math.rsqrt(variance + how.epsilon)
    )
    y = operation.apply_with_gradient(rows, gamma, offset, mean, variance, how.epsilon)
    return Normalized(tf.reshape(y, ops.shape(x)), mean, variance, counted[tf.newaxis])


def _moments(
    x: Tensor, positions: Tensor, divisor: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance, and what rounding took from the mean.

    The moments of the differences from a first mean: see `generic.moments`.
    """
    divisor = tf.cast(divisor, "float64")
    first = raw_sums.total(tf.where(positions, x, 0.0)) / divisor
    origin = tf.cast(first, "float32")
    differences = tf.where(positions, x - origin, 0.0)
    error = raw_sums.total(differences) / divisor
    squares = raw_sums.squares(differences) / divisor
    variance = tf.maximum(squares - tf.square(error), 0.0)
    exact = tf.cast(origin, "float64") + error
    mean = tf.cast(exact, "float32")
    rest = tf.cast(exact - tf.cast(mean, "float64"), "float32")
    return mean, tf.cast(variance, "float32"), rest


def _with_gradient(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    positions: Tensor,
    divisor: Tensor,
) -> tuple[Tensor, Tensor]:
    """The moments, as functions of the counted rows; see `fused` for why two."""
    rows = tf.cast(divisor, "float32")

    @tf.custom_gradient
    def mean_of(x: Tensor) -> tuple[Any, Any]:
        def gradient(by_mean: Tensor) -> Tensor:
            return tf.where(positions, by_mean / rows, 0.0)

        return tf.identity(mean), gradient

    @tf.custom_gradient
    def variance_of(x: Tensor, mean: Tensor) -> tuple[Any, Any]:
        def gradient(by_variance: Tensor) -> tuple[Tensor, Tensor]:
            by_x = (x - mean) * (by_variance * (2.0 / rows))
            by_x = tf.where(positions, by_x, 0.0)
            return by_x, tf.zeros_like(mean)  # Deviations from the mean add up to 0.

        return tf.identity(variance), gradient

    found = mean_of(x)
    return found, variance_of(x, found)
