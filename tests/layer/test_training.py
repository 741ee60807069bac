"""The layer inside models: every way to run it, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasbn import BatchNormalization

from .helpers import BACKEND, array, call, statistics, train, weight

rng = np.random.default_rng(0)
X = rng.normal(5, 2, (32, 4, 3)).astype("float32")


def model_of(*layers):
    return keras.Sequential([keras.Input((4, 3)), *layers])


@pytest.mark.parametrize("how", [{"run_eagerly": True}, {}, {"jit_compile": True}])
@pytest.mark.parametrize(
    "options",
    [
        {"zero_debias": True},
        {"momentum": None, "axis": [1, 2]},
        {"zero_debias": True, "synchronized": True},  # One replica.
    ],
    ids=str,
)
def test_fit(how, options):
    if BACKEND == "torch" and "jit_compile" in how:
        pytest.skip("torch.compile takes minutes")
    layer = BatchNormalization(**options)
    model = model_of(layer)
    model.compile("sgd", "mse", **how)
    model.fit(X, np.zeros_like(X), batch_size=10, epochs=2, shuffle=False, verbose=0)
    if layer.momentum is None:
        assert (weight(layer) == 8).all()
        means = [X[i : i + 10].mean(0) for i in range(0, 32, 10)]
        np.testing.assert_allclose(statistics(layer)[0], np.mean(means, 0), rtol=1e-5)
    else:
        np.testing.assert_allclose(weight(layer), 1 - 0.99**8, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(X, verbose=0), call(layer, X), rtol=1e-4, atol=1e-4
    )
    assert np.isfinite(model.evaluate(X, X, verbose=0))


def test_inference_is_the_default_and_moves_nothing():
    layer = BatchNormalization(zero_debias=True)
    model = model_of(layer)
    model(ops.convert_to_tensor(X))
    model.predict(X, verbose=0)
    assert weight(layer) == 0
    np.testing.assert_array_equal(statistics(layer)[0], np.zeros(3))


def test_frozen_layer_in_fit():
    layer = train(BatchNormalization(zero_debias=True), X)
    layer.trainable = False
    before = [v.numpy() for v in layer.variables]
    model = model_of(layer, keras.layers.Dense(3))
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)
    for old, variable in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_shared_layer_counts_each_call():
    layer = BatchNormalization(momentum=None)
    a, b = keras.Input((4, 3)), keras.Input((4, 3))
    model = keras.Model([a, b], [layer(a), layer(b)])
    model([ops.convert_to_tensor(X), ops.convert_to_tensor(X + 2)], training=True)
    assert weight(layer) == 2
    np.testing.assert_allclose(statistics(layer)[0], (X + 1).mean((0, 1)), rtol=1e-5)


def test_stateless_call():
    layer = BatchNormalization([1, 2], zero_debias=True)
    layer.build(X.shape)
    trainable = [v.value for v in layer.trainable_variables]
    state = [v.value for v in layer.non_trainable_variables]
    if BACKEND == "tensorflow":
        trainable = [ops.convert_to_tensor(v) for v in trainable]
        state = [ops.convert_to_tensor(v) for v in state]
    y, new = layer.stateless_call(
        trainable, state, ops.convert_to_tensor(X), training=True
    )
    assert y.shape == X.shape
    np.testing.assert_allclose(array(new[0]), X.mean(0), rtol=1e-5)
    np.testing.assert_array_equal(statistics(layer)[0], np.zeros((4, 3)))


def test_unknown_batch_and_time_size():
    layer = BatchNormalization(zero_debias=True)
    model = keras.Sequential([keras.Input((None, 3)), layer])
    model.compile("sgd", "mse")
    model.train_on_batch(X, X)
    model.train_on_batch(X[:7, :2], X[:7, :2])
    np.testing.assert_allclose(weight(layer), 1 - 0.99**2, rtol=1e-5)


def test_symbolic_call_keeps_shape_and_dtype():
    layer = BatchNormalization([1, 2], dtype="mixed_bfloat16")
    y = layer(keras.Input((4, 3)))
    assert y.shape == (None, 4, 3)
    assert y.dtype == "bfloat16"
