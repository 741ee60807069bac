"""Training and inference of one layer as each backend runs them.

`training(layer, x, upstream, jit, mask)` gives a function that runs the layer forward
and backward, returns when the work is done, and leaves nothing out: output, gradients
by `x`, gamma and beta, and the running statistics moved. `inference` runs it forward.
`copied` reads and writes `x` once; `native` is what PyTorch itself has.
"""

from __future__ import annotations

import keras

BACKEND = keras.backend.backend()


def training(layer, x, upstream, jit, mask=None):
    return _TRAINING[BACKEND](layer, x, upstream, jit, mask)


def inference(layer, x, jit):
    return _INFERENCE[BACKEND](layer, x, jit)


def tensor(array, dtype):
    return keras.ops.convert_to_tensor(array, dtype=dtype)


def copied(x):
    if BACKEND == "tensorflow":
        return lambda: x * 2
    if BACKEND == "torch":
        return x.clone
    import jax

    double = jax.jit(lambda x: x * 2)
    return lambda: double(x).block_until_ready()


def native(x, upstream, axis, mode):
    """`torch.nn.functional.batch_norm` with the channels where it has them."""
    import torch

    x = x.clone().requires_grad_()
    size = x.shape[axis]
    gamma, beta = torch.ones(size), torch.zeros(size)
    mean, variance = torch.zeros(size), torch.ones(size)
    weights = [gamma.requires_grad_(), beta.requires_grad_()]

    def step():
        in_training = mode == "training"
        with torch.set_grad_enabled(in_training):
            channels = x.movedim(axis, 1)
            y = torch.nn.functional.batch_norm(
                channels, mean, variance, *weights, in_training, 0.01, 1e-3
            ).movedim(1, axis)
        return torch.autograd.grad(y, [x, *weights], upstream) if in_training else y

    return step


class Bare(keras.layers.BatchNormalization):
    """What the backend has, without guards, and the plain moving average."""

    def call(self, inputs, training=None, mask=None):
        given = self.gamma, self.beta, self.moving_mean, self.moving_variance
        gamma, beta, mean, variance = map(keras.ops.convert_to_tensor, given)
        y, *moments = _BARE[BACKEND](
            inputs, gamma, beta, mean, variance, bool(training), self.epsilon
        )
        if training:
            m = self.momentum
            self.moving_mean.assign(mean * m + moments[0] * (1 - m))
            self.moving_variance.assign(variance * m + moments[1] * (1 - m))
        return y


def _tensorflow_bare(x, gamma, beta, mean, variance, training, epsilon):
    import tensorflow as tf

    moments = (tf.zeros(0), tf.zeros(0)) if training else (mean, variance)
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=moments[0],
        variance=moments[1],
        epsilon=epsilon,
        is_training=training,
    )[:3]


def _jax_bare(x, gamma, beta, mean, variance, training, epsilon):
    if training:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
    scale = gamma / keras.ops.sqrt(variance + epsilon)
    return x * scale + (beta - mean * scale), mean, variance


def _torch_bare(x, gamma, beta, mean, variance, training, epsilon):
    import torch

    channels = x.movedim(-1, 1)
    if training:
        mean, variance = torch.empty_like(mean), torch.empty_like(variance)
    # With a momentum of 1 they become the batch's.
    y = torch.nn.functional.batch_norm(
        channels, mean, variance, gamma, beta, training, 1.0, epsilon
    )
    return y.movedim(1, -1), mean, variance


def _tensorflow_training(layer, x, upstream, jit, mask):
    import tensorflow as tf

    @tf.function(jit_compile=jit, autograph=False)
    def step(x, upstream):
        weights = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, **_given(mask))
        return y, tape.gradient(y, [x, *weights], upstream)

    return lambda: step(x, upstream)


def _tensorflow_inference(layer, x, jit):
    import tensorflow as tf

    step = tf.function(layer, jit_compile=jit, autograph=False)
    return lambda: step(x)


def _jax_training(layer, x, upstream, jit, mask):
    import jax

    def step(x, trainable, state, upstream):
        def forward(x, trainable):
            return layer.stateless_call(
                trainable, state, x, training=True, **_given(mask)
            )

        y, backward, state = jax.vjp(forward, x, trainable, has_aux=True)
        return y, state, backward(upstream)

    step = jax.jit(step) if jit else step
    trainable = [v.value for v in layer.trainable_variables]
    state = [v.value for v in layer.non_trainable_variables]
    return lambda: jax.block_until_ready(step(x, trainable, state, upstream))


def _jax_inference(layer, x, jit):
    import jax

    def step(x, trainable, state):
        return layer.stateless_call(trainable, state, x)[0]

    step = jax.jit(step) if jit else step
    trainable = [v.value for v in layer.trainable_variables]
    state = [v.value for v in layer.non_trainable_variables]
    return lambda: jax.block_until_ready(step(x, trainable, state))


def _torch_training(layer, x, upstream, jit, mask):
    import torch

    x = x.clone().requires_grad_()
    weights = [v.value for v in layer.trainable_variables]

    def step():
        y = layer(x, training=True, **_given(mask))
        return y, torch.autograd.grad(y, [x, *weights], upstream)

    return step


def _torch_inference(layer, x, jit):
    import torch

    def step():
        with torch.no_grad():
            return layer(x)

    return step


def _given(mask):
    """The argument, where there is a mask: not every layer here takes one."""
    return {} if mask is None else {"mask": mask}


_TRAINING = {
    "tensorflow": _tensorflow_training,
    "jax": _jax_training,
    "torch": _torch_training,
}
_INFERENCE = {
    "tensorflow": _tensorflow_inference,
    "jax": _jax_inference,
    "torch": _torch_inference,
}
_BARE = {"tensorflow": _tensorflow_bare, "jax": _jax_bare, "torch": _torch_bare}
