"""Weights that objects inside a layer own, from a legacy `.h5` to a `.keras` file."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasbn.archive import UnusableFileError, open_archive, write_archive

from .files import load, predict, same_array


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Keras advises against the format at each save."""


def block():
    inputs = layers.Input((4, 3))
    x = layers.Conv1D(5, 2)(inputs)
    x = layers.BatchNormalization()(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


LAYERS = {
    "LSTM": lambda: layers.LSTM(3),
    "GRU without bias": lambda: layers.GRU(3, use_bias=False),
    "SimpleRNN": lambda: layers.SimpleRNN(3),
    "Bidirectional LSTM": lambda: layers.Bidirectional(layers.LSTM(3)),
    "Bidirectional of two": lambda: layers.Bidirectional(
        layers.LSTM(3), backward_layer=layers.GRU(2, go_backwards=True)
    ),
    "RNN of cells": lambda: layers.RNN(
        [layers.LSTMCell(3), layers.GRUCell(2), layers.LSTMCell(4)]
    ),
    "TimeDistributed BN": lambda: layers.TimeDistributed(layers.BatchNormalization()),
    "TimeDistributed LSTM": lambda: layers.TimeDistributed(layers.LSTM(2)),
    "TimeDistributed model": lambda: layers.TimeDistributed(block()),
    "SpectralNormalization": lambda: layers.SpectralNormalization(layers.Conv1D(3, 2)),
    "EinsumDense": lambda: layers.EinsumDense("ab...,bc->ac...", (7,), bias_axes="c"),
    "PReLU": lambda: layers.PReLU(),
}
FOUR_AXES = {"TimeDistributed LSTM", "TimeDistributed model"}


def saved(model, folder):
    """A file with weights that are all different."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    model.save(folder / "model.h5")
    return folder / "model.h5"


def again(path):
    with open_archive(path) as archive:
        write_archive(path.with_suffix(".keras"), archive, archive.config)
    return load(path.with_suffix(".keras"))


def assert_same(model, path, *shape):
    x = np.random.default_rng(1).standard_normal((2, *shape)).astype("float32")
    assert all(map(same_array, predict(model, x), predict(again(path), x)))


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("form", LAYERS)
def test_of_a_layer(tmp_path, form, trainable):
    shape = (2, 4, 3) if form in FOUR_AXES else (4, 3)
    model = keras.Sequential([layers.Input(shape), LAYERS[form]()])
    model.layers[0].trainable = trainable
    assert_same(model, saved(model, tmp_path), *shape)


def test_of_layers_in_a_nested_model(tmp_path):
    inputs = layers.Input((4, 3))
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True))(inputs)
    x = layers.MultiHeadAttention(2, 3, value_dim=2)(x, x)
    x = layers.GroupQueryAttention(2, 4, 2)(x, x)
    inner = keras.Model(inputs, x)
    model = keras.Sequential([layers.Input((4, 3)), inner, layers.LSTM(2)])
    assert_same(model, saved(model, tmp_path), 4, 3)


def test_of_one_frozen_direction(tmp_path):
    """Keras then lists the other one's weights first."""
    both = layers.Bidirectional(layers.LSTM(3))
    model = keras.Sequential([layers.Input((4, 3)), both])
    both.backward_layer.trainable = True
    both.forward_layer.trainable = False
    assert_same(model, saved(model, tmp_path), 4, 3)


def test_of_an_unknown_class_are_refused(tmp_path):
    class Pair(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.one, self.other = layers.Dense(3), layers.Dense(3)

        def call(self, x):
            return self.one(x) + self.other(x)

    inputs = layers.Input((3,))
    model = keras.Model(inputs, Pair(name="two")(inputs))
    path = saved(model, tmp_path)
    with (
        pytest.raises(UnusableFileError, match="the layer 'two'"),
        open_archive(path) as archive,
    ):
        write_archive(path.with_suffix(".keras"), archive, archive.config)
