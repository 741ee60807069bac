"""The fused operation of TensorFlow, for rows of channels, `(N, 1, 1, C)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Tensor = Any

DTYPES = (tf.float32, tf.float16, tf.bfloat16)
ROWS = (0, 1, 2)


def train(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """`y`, mean, unbiased variance and three tensors for the gradient.

    On a CPU the first two of those are the mean and the biased variance.
    """
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


def apply(
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


def apply_with_gradient(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Tensor:
    """`y` with its gradient; TensorFlow's own gradient leaves out the moments."""

    @tf.custom_gradient
    def applied(
        x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor
    ) -> tuple[Any, Any]:
        def gradient(by_y: Tensor) -> Sequence[Tensor]:
            by_x, by_gamma, by_beta = _by_applied(
                by_y, x, gamma, mean, variance, epsilon
            )
            by_mean = -by_beta * gamma * tf.math.rsqrt(variance + epsilon)
            by_variance = -0.5 * by_gamma * gamma / (variance + epsilon)
            return by_x, by_gamma, by_beta, by_mean, by_variance

        return apply(x, gamma, beta, mean, variance, epsilon), gradient

    return applied(x, gamma, beta, mean, variance)


def _by_applied(
    by_y: Tensor,
    x: Tensor,
    gamma: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Sequence[Tensor]:
    """The gradients by x, gamma and beta; those of these know the moments, too."""

    def plain(*given: Tensor) -> Sequence[Tensor]:
        by_y, x, gamma, mean, variance = given
        wide, by_y = tf.cast(x, gamma.dtype), tf.cast(by_y, gamma.dtype)
        inverse = tf.math.rsqrt(variance + epsilon)
        by_x = tf.cast(by_y * (gamma * inverse), x.dtype)
        by_gamma = tf.reduce_sum(by_y * (wide - mean), ROWS) * inverse
        return by_x, by_gamma, tf.reduce_sum(by_y, ROWS)

    @tf.custom_gradient
    def fused(*given: Tensor) -> tuple[Any, Any]:
        def gradient(*upstream: Tensor) -> Sequence[Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(given)
                found = plain(*given)
            return tape.gradient(found, given, upstream)

        by_y, x, gamma, mean, variance = given
        found = tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=by_y,
            x=x,
            scale=gamma,
            reserve_space_1=mean,
            reserve_space_2=variance,
            reserve_space_3=tf.zeros(0),
            epsilon=epsilon,
            is_training=False,
        )[:3]
        return found, gradient

    return fused(by_y, x, gamma, mean, variance)
