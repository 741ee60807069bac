"""Which layer a weight of a legacy `.h5` file is of, when only its name says so."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasbn.archive import open_archive
from kerasbn.archive.legacy_h5 import _Owners

from .files import live_layers, live_variables, same_array


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Keras advises against the format at each save."""


def save(model, folder):
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    model.save(folder / "model.h5")
    return folder / "model.h5"


def assert_read_as_live(model, path):
    with open_archive(path) as archive:
        for layer, arrays in live_variables(model).items():
            stored = [variable.read() for variable in archive.variables(layer)]
            assert len(stored) == len(arrays), layer
            assert all(map(same_array, stored, arrays)), layer


def block(name, channels, prefix=""):
    """A model whose layer names may be the same as those of other blocks."""
    inputs = layers.Input((channels,))
    x = layers.Dense(channels, name=f"{prefix}dense")(inputs)
    x = layers.BatchNormalization(name=f"{prefix}bn")(x)
    x = layers.Dense(channels, name=f"{prefix}after")(x)
    return keras.Model(inputs, x, name=name)


def test_equal_names_in_several_nested_models(tmp_path):
    inputs = layers.Input((3,))
    x = layers.Dense(3, name="dense")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = block("second", 3)(block("first", 3)(x))
    model = keras.Model(inputs, x)
    assert_read_as_live(model, save(model, tmp_path))


def test_models_nested_three_deep(tmp_path):
    # Keras itself cannot save equal names below one outermost layer.
    inner, last = block("inner", 3, "inner_"), block("last", 3, "last_")
    middle_in = layers.Input((3,))
    x = layers.BatchNormalization(name="bn")(inner(middle_in))
    middle = keras.Model(middle_in, last(x), name="middle")
    model = keras.Sequential([layers.Input((3,)), middle, layers.Dense(2, name="out")])
    paths = dict(live_layers(model))
    assert {"middle/inner/inner_bn", "middle/last/last_bn", "middle/bn"} <= set(paths)
    assert_read_as_live(model, save(model, tmp_path))


def test_frozen_layer_among_trainable_ones(tmp_path):
    """Keras stores trainable weights first, so one layer's may lie apart."""
    inner = block("inner", 3)
    inner.get_layer("dense").trainable = False
    model = keras.Sequential([layers.Input((3,)), inner, block("other", 3)])
    path = save(model, tmp_path)
    assert_read_as_live(model, path)
    with open_archive(path) as archive:
        names = archive.root["model_weights/inner"].attrs["weight_names"]
    # This is what makes the case hard: BN's four are not next to each other.
    bn = [number for number, name in enumerate(names) if "bn" in str(name)]
    assert len(bn) == 4
    assert bn[-1] - bn[0] > 3


def test_frozen_nested_model(tmp_path):
    inner = block("inner", 3)
    inner.trainable = False
    model = keras.Sequential([layers.Input((3,)), inner])
    assert_read_as_live(model, save(model, tmp_path))


def test_a_model_and_its_layer_of_the_same_name(tmp_path):
    model = keras.Sequential([layers.Input((3,)), block("bn", 3)])
    assert_read_as_live(model, save(model, tmp_path))


def test_shared_layer_is_stored_once(tmp_path):
    inputs = layers.Input((3,))
    shared = block("shared", 3)
    model = keras.Model(inputs, [shared(shared(inputs)), shared(inputs)])
    assert_read_as_live(model, save(model, tmp_path))


def test_many_weights_are_listed_in_several_attributes(tmp_path):
    """HDF5 bounds an attribute to 64 kB, so Keras splits the list of names."""
    stack = [layers.Dense(1, name=f"{'long' * 40}_{n}") for n in range(200)]
    inner = keras.Sequential([layers.Input((1,)), *stack], name="inner")
    model = keras.Sequential([layers.Input((1,)), inner])
    path = save(model, tmp_path)
    assert_read_as_live(model, path)
    with open_archive(path) as archive:
        assert "weight_names1" in archive.root["model_weights/inner"].attrs


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("bn/gamma:0", ("m/bn", "gamma")),
        ("block/bn/gamma", ("m/block/bn", "gamma")),
        ("m/block/bn/gamma", ("m/block/bn", "gamma")),
        ("m/other/block/kernel", ("m/other/block", "kernel")),
        ("other/block/cell/kernel", ("m/other/block", "cell/kernel")),
        ("renamed/kernel", ("m", "kernel")),
    ],
)
def test_the_path_that_agrees_longest_is_the_owner(name, owner):
    """Some versions put the models around a layer before its name, some do not."""
    inner = ["m/bn", "m/block", "m/block/bn", "m/other", "m/other/block"]
    assert _Owners("m", inner).find(name) == owner
