"""Script: one of two workers of `MultiWorkerMirroredStrategy`, see `TF_CONFIG`."""

import json
import os
import pathlib
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf

import kerasbn

RANK = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
JIT = len(sys.argv) > 1
rng = np.random.default_rng(0)
X = rng.normal(5, 2, (12, 4, 3)).astype("float32")
X[8:] += 3
MASK = rng.random((12, 4)) < 0.6
MASK[:, 0] = True
PART = slice(0, 8) if RANK == 0 else slice(8, None)


def model_of(**options):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(5), keras.layers.Dense(1)
    norm = kerasbn.BatchNormalization(**options)
    model = keras.Sequential([keras.Input((4, 3)), dense[0], norm, dense[1]])
    return model, norm


def training_step(model, norm, optimizer, x, mask):
    """A sum as loss, so that the sum of gradients is the gradient for the batch."""
    first, _, last = model.layers
    with tf.GradientTape() as tape:
        y = last(norm(first(x), training=True, mask=mask))
        loss = tf.reduce_sum(y**2) / 100
    weights = model.trainable_variables
    optimizer.apply(tape.gradient(loss, [w.value for w in weights]), weights)


def train(strategy, part, **options):
    with strategy.scope():
        model, norm = model_of(**options)
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=JIT)
    def step():
        x, mask = tf.constant(X[part]), tf.constant(MASK[part])
        strategy.run(lambda: training_step(model, norm, optimizer, x, mask))

    for _ in range(2):
        step()
    return model, norm


def check_synchronized(strategy, options):
    model, _ = train(strategy, PART, synchronized=True, **options)
    alone, _ = train(tf.distribute.get_strategy(), slice(None), **options)
    for variable, lone in zip(model.variables, alone.variables, strict=True):
        np.testing.assert_allclose(
            variable.numpy(), lone.numpy(), rtol=1e-4, atol=1e-5, err_msg=variable.path
        )


def check_saved(strategy):
    """All workers save, each where it likes; each file holds what is of both."""
    with strategy.scope():
        layer = kerasbn.BatchNormalization(zero_debias=True)
        model = keras.Sequential([keras.Input((4, 3)), layer])
    strategy.run(lambda: layer(tf.constant(X[PART]), training=True))
    parts = X[:8].reshape(-1, 3), X[8:].reshape(-1, 3)
    mean = np.mean([part.mean(0) for part in parts], 0)
    variance = np.mean([part.var(0) + (part.mean(0) - mean) ** 2 for part in parts], 0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(pathlib.Path(folder) / "model.keras")
        loaded = keras.models.load_model(pathlib.Path(folder) / "model.keras").layers[0]
    kerasbn.combine_replicas(model)
    for one in (loaded, layer):
        np.testing.assert_allclose(one.moving_mean.numpy(), mean, rtol=1e-5)
        np.testing.assert_allclose(one.moving_variance.numpy(), variance, rtol=1e-5)


def main():
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert strategy.num_replicas_in_sync == 2
    for options in ({"zero_debias": True}, {"axis": [1, 2], "renorm": True}):
        check_synchronized(strategy, options)
    check_saved(strategy)


if __name__ == "__main__":
    main()
