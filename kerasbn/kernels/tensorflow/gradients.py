"""Gradients of the fused operation, where those of TensorFlow are incomplete.

Its gradient in inference leaves out the moments. The gradient of its gradient is wrong,
and does not say so, where a `ForwardAccumulator` is around a `tf.function` with a tape
in it: forward over reverse mode, for a Hessian times a vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras import ops

from kerasbn.kernels.tensorflow.situation import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

Tensor = Any

ROWS = (0, 1, 2)
_APPLIED, _SECOND_ORDER = "KerasbnAppliedGradient", "KerasbnSecondOrderGradient"


def with_own_gradients() -> AbstractContextManager[None]:
    """A context in which a graph's fused operations have the gradients of this file.

    They hold where the graph is differentiated from outside. A tape inside it does not
    see them, nor is there any graph in eager mode: there `tf.custom_gradient` must do.
    That is no way for both: an accumulator around a graph allows none within another.
    """
    graph = tf.compat.v1.get_default_graph()
    names = {"FusedBatchNormV3": _APPLIED, "FusedBatchNormGradV3": _SECOND_ORDER}
    found: AbstractContextManager[None] = graph.gradient_override_map(names)
    return found


def fused_gradient(**given: Any) -> Sequence[Tensor]:
    """The gradients by x, gamma and beta, as `tf.raw_ops.FusedBatchNormGradV3`."""
    with with_own_gradients():
        return tuple(tf.raw_ops.FusedBatchNormGradV3(**given)[:3])


def applied_gradient(
    by_y: Tensor,
    x: Tensor,
    gamma: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Sequence[Tensor]:
    """The gradients by x, gamma, beta, mean and variance in inference.

    Those of these know the moments, too, of which those of the operation know nothing:
    it is given constants, and the moments enter outside of it, with a difference that
    is 0 but has a gradient.
    """
    inverse = tf.math.rsqrt(variance + epsilon)
    constant = tf.stop_gradient(mean)
    by_x, by_scale, by_beta = fused_gradient(
        y_backprop=by_y,
        x=x,
        scale=gamma * inverse,
        reserve_space_1=constant,
        reserve_space_2=tf.ones_like(mean),
        reserve_space_3=tf.zeros(0),
        epsilon=0.0,
        is_training=False,
    )
    by_gamma = (by_scale - (mean - constant) * by_beta) * inverse
    by_mean = -by_beta * gamma * inverse
    by_variance = -0.5 * by_gamma * gamma / (variance + epsilon)
    return by_x, by_gamma, by_beta, by_mean, by_variance


@tf.RegisterGradient(_APPLIED)
def _applied(operation: Any, by_y: Tensor, *_: Tensor) -> Sequence[Tensor]:
    x, gamma, _, mean, variance = operation.inputs
    epsilon = operation.get_attr("epsilon")
    return applied_gradient(by_y, x, gamma, mean, variance, epsilon)


@tf.RegisterGradient(_SECOND_ORDER)
def _second_order(operation: Any, *upstream: Tensor) -> Sequence[Tensor | None]:
    """The gradients by what the operation was given; its moments are constants."""
    by_y, x, gamma, mean, variance = map(tf.identity, operation.inputs[:5])
    epsilon = operation.get_attr("epsilon")
    of_batch = operation.get_attr("is_training")
    g, deviations = tf.cast(by_y, "float32"), tf.cast(x, "float32") - mean
    if of_batch:  # Here the moments are functions of x.
        deviations -= tf.reduce_mean(deviations, ROWS)
        variance = tf.reduce_mean(tf.square(deviations), ROWS)
    inverse = tf.math.rsqrt(variance + epsilon)
    x_hat = deviations * inverse
    by_gamma, by_beta = tf.reduce_sum(g * x_hat, ROWS), tf.reduce_sum(g, ROWS)
    if of_batch:
        rows = count(ops.shape(x)[:-1], "float32")
        g -= (by_beta + x_hat * by_gamma) / rows
    by_x = tf.cast(g * (gamma * inverse), x.dtype)
    found = tf.gradients(
        (by_x, by_gamma, by_beta),
        (by_y, x, gamma),
        upstream[:3],
        unconnected_gradients="zero",
    )
    return (*found, None, None, None)
