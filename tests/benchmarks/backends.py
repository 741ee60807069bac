"""Training and inference of one layer as each backend runs them.

`training(layer, x, upstream, jit)` gives a function that runs the layer forward and
backward, returns when the work is done, and leaves nothing out: output, gradients by
`x`, gamma and beta, and the running statistics moved. `inference` runs it forward.
"""

from __future__ import annotations

import keras

BACKEND = keras.backend.backend()


def training(layer, x, upstream, jit):
    return _TRAINING[BACKEND](layer, x, upstream, jit)


def inference(layer, x, jit):
    return _INFERENCE[BACKEND](layer, x, jit)


def tensor(array, dtype):
    return keras.ops.convert_to_tensor(array, dtype=dtype)


def _tensorflow_training(layer, x, upstream, jit):
    import tensorflow as tf

    @tf.function(jit_compile=jit, autograph=False)
    def step(x, upstream):
        weights = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, *weights], upstream)

    return lambda: step(x, upstream)


def _tensorflow_inference(layer, x, jit):
    import tensorflow as tf

    step = tf.function(layer, jit_compile=jit, autograph=False)
    return lambda: step(x)


def _jax_training(layer, x, upstream, jit):
    import jax

    def step(x, trainable, state, upstream):
        def forward(x, trainable):
            return layer.stateless_call(trainable, state, x, training=True)

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


def _torch_training(layer, x, upstream, jit):
    import torch

    x = x.clone().requires_grad_()
    weights = [v.value for v in layer.trainable_variables]

    def step():
        y = layer(x, training=True)
        return y, torch.autograd.grad(y, [x, *weights], upstream)

    return step


def _torch_inference(layer, x, jit):
    import torch

    def step():
        with torch.no_grad():
            return layer(x)

    return step


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
