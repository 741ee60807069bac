"""Models with the layer are saved and loaded: every format, to the last bit."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from .helpers import statistics, train, weight

Stock = keras.layers.BatchNormalization
X = np.random.default_rng(0).normal(5, 2, (16, 4, 3)).astype("float32")
OPTIONS = [
    {},
    {"zero_debias": True},
    {"momentum": None},
    {"axis": [1, 2], "zero_debias": True, "scale": False},
    {"axis": [-1, -2], "renorm": True, "dtype": "mixed_bfloat16"},
]


def model_of(layer):
    return keras.Sequential([keras.Input((4, 3)), layer, keras.layers.Flatten()])


def trained_model(layer):
    model = model_of(layer)
    train(layer, X, X + 1)
    return model


def assert_same_variables(one, other):
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_keras_file(options, tmp_path):
    model = trained_model(BatchNormalization(**options))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is BatchNormalization
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert_same_variables(loaded, model)
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), model.predict(X, verbose=0)
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_weights_file(options, tmp_path):
    model = trained_model(BatchNormalization(**options))
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = model_of(BatchNormalization(**options))
    loaded.load_weights(tmp_path / "model.weights.h5")
    assert_same_variables(loaded, model)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_legacy_file(options, tmp_path):
    model = trained_model(BatchNormalization(**options))
    model.save(tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), model.predict(X, verbose=0)
    )


def test_training_goes_on_where_it_was(tmp_path):
    model = trained_model(BatchNormalization(momentum=0.9, zero_debias=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for layer in (model.layers[0], loaded.layers[0]):
        train(layer, X + 2)
    assert_same_variables(loaded, model)
    np.testing.assert_allclose(weight(loaded.layers[0]), 1 - 0.9**3, rtol=1e-6)


def test_copies():
    model = trained_model(BatchNormalization([1, 2], zero_debias=True))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for a, b in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# tf.keras 2 wrote the weights of several axes in the rank of the input.
SHAPES = [((1, 4, 3), [1, 2]), ((1, 1, 3), -1), ((1, 4, 1), [1])]


@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
def test_weights_of_full_rank_are_accepted(shape, axis, tmp_path):
    h5py = pytest.importorskip("h5py")
    model = model_of(BatchNormalization(axis))
    model.save_weights(tmp_path / "model.weights.h5")
    arrays = [np.random.default_rng(i).uniform(1, 2, shape) for i in range(4)]
    with h5py.File(tmp_path / "model.weights.h5", "r+") as file:
        group = file["layers/batch_normalization/vars"]
        for key, value in enumerate(arrays):
            del group[str(key)]
            group[str(key)] = value.astype("float32")
    model.load_weights(tmp_path / "model.weights.h5")
    layer = BatchNormalization(axis)
    layer.build((None, 4, 3))
    layer.set_weights(arrays)
    for variables in (model.layers[0].get_weights(), layer.get_weights()):
        for variable, value in zip(variables, arrays, strict=True):
            np.testing.assert_allclose(variable, value.squeeze(), rtol=1e-6)


def test_weights_of_another_shape_are_refused(tmp_path):
    model = model_of(BatchNormalization())
    with pytest.raises(ValueError, match="shape"):
        model.layers[0].set_weights([np.ones((4, 3))] * 4)
    with pytest.raises(ValueError, match="weight list of length 3"):
        model.layers[0].set_weights([np.ones(3)] * 3)
    trained_model(BatchNormalization([1, 2])).save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="shape"):
        model.load_weights(tmp_path / "m.weights.h5")


def test_stock_reads_a_saved_layer_with_stocks_options(tmp_path):
    model = trained_model(BatchNormalization(name="bn"))
    config = model.layers[0].get_config()
    stock = model_of(Stock.from_config(config))
    model.save_weights(tmp_path / "model.weights.h5")
    stock.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(
        stock.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-5
    )
    assert statistics(stock.layers[0])[0].shape == (3,)


def test_layer_without_weights_saves_none():
    store = {}
    BatchNormalization(zero_debias=True).save_own_variables(store)
    assert store == {}
