"""The fused operation of TensorFlow, for rows of channels, `(N, 1, 1, C)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kerasbn.kernels.tensorflow.gradients import (
    applied_gradient,
    fused_gradient,
    with_own_gradients,
)
from kerasbn.kernels.tensorflow.situation import is_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Tensor = Any

DTYPES = (tf.float32, tf.float16, tf.bfloat16)


def train(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """`y`, mean, unbiased variance and three tensors for the gradient."""
    unused = tf.zeros(0)
    y, mean, variance, *saved = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=unused,
        variance=unused,
        epsilon=epsilon,
    )
    return y, mean, variance, saved


def train_gradient(
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


def apply(
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


def apply_with_gradient(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Tensor:
    """`y` with its gradient by all that is given."""
    if not is_recorded():  # It is that of `with_own_gradients`.
        return apply(x, gamma, beta, mean, variance, epsilon)

    @tf.custom_gradient
    def applied(
        x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor
    ) -> tuple[Any, Any]:
        def gradient(by_y: Tensor) -> Sequence[Tensor]:
            return applied_gradient(by_y, x, gamma, mean, variance, epsilon)

        return apply(x, gamma, beta, mean, variance, epsilon), gradient

    return applied(x, gamma, beta, mean, variance)
