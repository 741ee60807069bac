"""What tests of the layer share: arrays in, arrays out, on whichever backend."""

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def call(layer, x, **kwargs):
    return array(layer(ops.convert_to_tensor(x), **kwargs))


def train(layer, *batches, **kwargs):
    for batch in batches:
        call(layer, batch, training=True, **kwargs)
    return layer


def statistics(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def weight(layer):
    return array(layer.moving_weight.w)


def randomize(layer, seed=0):
    """Give a built layer weights that are not the initial ones."""
    rng = np.random.default_rng(seed)
    layer.set_weights(
        [
            rng.uniform(0.5, 2, w.shape).astype(
                keras.backend.standardize_dtype(w.dtype)
            )
            for w in layer.weights
        ]
    )
    return layer


def gradients(layer, x, upstream, **kwargs):
    """Gradients of sum(upstream * layer(x, training=True)) by x, gamma and beta."""
    sources = {
        "tensorflow": _gradients_tensorflow,
        "jax": _gradients_jax,
        "torch": _gradients_torch,
    }
    return [array(g) for g in sources[BACKEND](layer, x, upstream, kwargs)]


def _gradients_tensorflow(layer, x, upstream, kwargs):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(upstream * layer(x, training=True, **kwargs))
    return tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])


def _gradients_jax(layer, x, upstream, kwargs):
    import jax

    frozen = [v.value for v in layer.non_trainable_variables]

    def loss(x, trainable):
        y, _ = layer.stateless_call(trainable, frozen, x, training=True, **kwargs)
        return (upstream * y).sum()

    trainable = [v.value for v in layer.trainable_variables]
    by_x, by_weights = jax.grad(loss, argnums=(0, 1))(x, trainable)
    return [by_x, *by_weights]


def _gradients_torch(layer, x, upstream, kwargs):
    import torch

    x = torch.tensor(x, requires_grad=True)
    weights = [v.value for v in layer.trainable_variables]
    loss = (torch.tensor(upstream) * layer(x, training=True, **kwargs)).sum()
    return torch.autograd.grad(loss, [x, *weights])
