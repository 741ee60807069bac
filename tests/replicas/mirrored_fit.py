"""Script: `fit` under `MirroredStrategy`, and what is saved after it."""

import os
import pathlib
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf
from cases import total_variance
from mirrored import two_devices

import kerasbn

rng = np.random.default_rng(0)
BATCH = 8  # Four for each replica.
X = rng.normal(5, 2, (28, 4, 3)).astype("float32")
Y = rng.normal(size=(28, 4, 1)).astype("float32")


def model_of(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.Dense(5),
            kerasbn.BatchNormalization(**options),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def fit(model, x=X, y=Y):
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    model.fit(data, epochs=2, verbose=0)
    return model


def check_synchronized(strategy, run_eagerly):
    """Equal parts, so that the mean of their losses is the loss of the batch."""
    alone = fit(model_of(zero_debias=True))
    with strategy.scope():
        model = model_of(zero_debias=True, synchronized=True)
        model.run_eagerly = run_eagerly
    fit(model)
    for variable, lone in zip(model.variables, alone.variables, strict=True):
        for value in strategy.experimental_local_results(variable.value):
            np.testing.assert_allclose(
                value.numpy(), lone.numpy(), rtol=1e-4, atol=1e-5
            )


def check_empty_part(strategy):
    """The last batch has one sample, and the second replica none."""
    alone = kerasbn.BatchNormalization(momentum=None)
    with strategy.scope():
        layer = kerasbn.BatchNormalization(momentum=None, synchronized=True)
        model = keras.Sequential([keras.Input((4, 3)), layer])
        model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensor_slices((X[:9], X[:9])).batch(BATCH)
    model.fit(data, verbose=0)
    for batch in (X[:8], X[8:9]):
        alone(batch, training=True)
    for variable, lone in zip(layer.variables[2:], alone.variables[2:], strict=True):
        np.testing.assert_allclose(variable.numpy(), lone.numpy(), rtol=1e-5)


def parts_of(x):
    """What each replica gets: the halves of each batch."""
    batches = np.split(x, range(BATCH, len(x), BATCH))
    return zip(*(np.split(batch, 2) for batch in batches), strict=True)


def check_saved(strategy, options):
    """Replicas on their own, with data that differ: what is saved is of both."""
    x = X[:24].copy()
    x.reshape(3, 8, 4, 3)[:, 4:] += 3
    lone = [kerasbn.BatchNormalization(**options) for _ in range(2)]
    for layer, batches in zip(lone, parts_of(x), strict=True):
        for batch in batches:
            layer(batch, training=True)
    with strategy.scope():
        layer = kerasbn.BatchNormalization(**options)
        model = keras.Sequential([keras.Input((4, 3)), layer])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    data = tf.data.Dataset.from_tensor_slices((x, x)).batch(BATCH)
    model.fit(data, verbose=0)

    def check_own():
        for variable, *both in zip(
            layer.variables, *(one.variables for one in lone), strict=True
        ):
            values = strategy.experimental_local_results(variable.value)
            for value, one in zip(values, both, strict=True):
                np.testing.assert_allclose(value.numpy(), one.numpy(), rtol=1e-5)

    check_own()
    expected = combination(lone)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("model.keras", "model.weights.h5"):
            path = pathlib.Path(folder) / name
            loaded = saved_and_loaded(model, path, options)
            check_statistics(loaded, expected)
        check_own()  # Saving changes nothing.
        np.testing.assert_allclose(layer.moving_mean.numpy(), expected[0], rtol=1e-5)
        kerasbn.combine_replicas(model)
        check_alike(strategy, layer, expected)
        model.fit(data, verbose=0)
        model.load_weights(path)
        check_alike(strategy, layer, expected)


def check_alike(strategy, layer, expected):
    """All replicas have these statistics."""
    check_statistics(layer, expected)
    for variable in layer.variables:
        first, second = strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def combination(lone):
    """Mean, variance and `w` of two layers that have seen as many batches."""
    means = [one.moving_mean.numpy() for one in lone]
    variances = [one.moving_variance.numpy() for one in lone]
    mean, variance = total_variance(means, variances, [1, 1])
    if lone[0].moving_weight is None:
        return mean, variance
    return mean, variance, lone[0].moving_weight.w.numpy()


def saved_and_loaded(model, path, options):
    """The layer, on one device, with what the file holds."""
    if path.suffix == ".keras":
        model.save(path)
        return keras.models.load_model(path).layers[0]
    model.save_weights(path)
    layer = kerasbn.BatchNormalization(**options)
    keras.Sequential([keras.Input((4, 3)), layer]).load_weights(path)
    return layer


def check_statistics(layer, expected):
    actual = [layer.moving_mean, layer.moving_variance]
    if layer.moving_weight is not None:
        actual.append(layer.moving_weight.w)
    for variable, value in zip(actual, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-5)


def check_unequal_weight(strategy):
    """A replica that has counted nothing does not count."""
    x = X[:8]
    mask = np.ones(x.shape[:-1], bool)
    mask[4:] = False
    with strategy.scope():
        layer = kerasbn.BatchNormalization(zero_debias=True)
        layer.build(x.shape)
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tuple(
            tf.constant(a[4 * context.replica_id_in_sync_group :][:4])
            for a in (x, mask)
        )
    )
    strategy.run(lambda part: layer(part[0], training=True, mask=part[1]), (parts,))
    kerasbn.combine_replicas(layer)
    expected = x[:4].mean((0, 1)), x[:4].var((0, 1)), [0.01 / 2]
    check_statistics(layer, expected)


def check_nested_function(strategy):
    """Replicas on their own send nothing, so a function in the step is allowed."""
    with strategy.scope():
        layer = kerasbn.BatchNormalization(momentum=None)
        layer.build((None, 4, 3))

    @tf.function
    def call():
        return layer(tf.constant(X), training=True)

    tf.function(lambda: strategy.run(lambda: call()))()
    check_statistics(layer, (X.mean((0, 1)), X.var((0, 1)), [1]))


def check_checkpoint(strategy):
    """A checkpoint of combined replicas is read on one device."""
    with strategy.scope():
        model = model_of(zero_debias=True)
    kerasbn.combine_replicas(fit(model))
    restored = model_of(zero_debias=True)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(model).save(folder + "/checkpoint")
        tf.train.Checkpoint(restored).restore(path)
    for variable, read in zip(model.variables, restored.variables, strict=True):
        np.testing.assert_allclose(read.numpy(), variable.numpy(), rtol=1e-6)


def check_recalibrated(strategy, options):
    """All replicas get the statistics that one device finds."""
    alone = fit(model_of(**options))
    with strategy.scope():
        model = model_of(**options)
    model.set_weights(alone.get_weights())
    for one in (alone, model):
        kerasbn.recalibrate(one, X, batch_size=BATCH, verbose=0)
    for variable, lone in zip(model.variables, alone.variables, strict=True):
        for value in strategy.experimental_local_results(variable.value):
            np.testing.assert_allclose(value.numpy(), lone.numpy(), rtol=1e-6)


def main():
    strategy = two_devices()
    for run_eagerly in (False, True):
        check_synchronized(strategy, run_eagerly)
    check_empty_part(strategy)
    for options in (
        {},
        {"zero_debias": True},
        {"momentum": None, "axis": [1, 2]},
        {"renorm": True},
    ):
        check_saved(strategy, options)
    check_unequal_weight(strategy)
    check_nested_function(strategy)
    for options in ({"momentum": None}, {"zero_debias": True, "synchronized": True}):
        check_recalibrated(strategy, options)
    check_checkpoint(strategy)


if __name__ == "__main__":
    main()
