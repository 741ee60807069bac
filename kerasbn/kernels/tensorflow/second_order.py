"""The gradient of the fused operation, with a gradient of its own.

TensorFlow's own is wrong, and does not say so, where a `ForwardAccumulator` is around a
`tf.function` with a tape in it: forward over reverse mode for Hessian times vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras import ops

from kerasbn.kernels.tensorflow.situation import count

if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = Any

ROWS = (0, 1, 2)
_OPERATION = "FusedBatchNormGradV3"
_NAME = f"Kerasbn{_OPERATION}"


def fused_gradient(**given: Any) -> Sequence[Tensor]:
    """The gradients by x, gamma and beta, as `tf.raw_ops.FusedBatchNormGradV3`."""
    # Not a `tf.custom_gradient`: with an accumulator around it none can be within
    # another, as it refers to tensors of the graph that it was traced in.
    graph = tf.compat.v1.get_default_graph()
    with graph.gradient_override_map({_OPERATION: _NAME}):
        return tuple(tf.raw_ops.FusedBatchNormGradV3(**given)[:3])


@tf.RegisterGradient(_NAME)
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
