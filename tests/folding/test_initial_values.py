"""The models of the proof draw no initial values, and are loaded all the same."""

import keras
import numpy as np
import pytest

from kerasbn import fold_file
from kerasbn.folding.proof.initial import ZEROS, draws, without_drawing


@pytest.mark.parametrize(
    "initializer",
    [
        "glorot_uniform",
        "he_normal",
        "orthogonal",
        keras.initializers.TruncatedNormal(stddev=0.1),
        keras.initializers.VarianceScaling(2.0),
    ],
)
def test_a_random_initializer_becomes_zeros(initializer):
    layer = keras.layers.Dense(2, kernel_initializer=initializer)
    config = without_drawing(keras.saving.serialize_keras_object(layer))
    kernel = keras.saving.deserialize_keras_object(config).kernel_initializer
    assert isinstance(kernel, keras.initializers.Zeros)


def test_others_stay():
    ones = keras.saving.serialize_keras_object(keras.initializers.Ones())
    foreign = {"module": "mine", "class_name": "GlorotUniform", "config": {}}
    config = {"a": [ones, foreign], "kernel_initializer": None, "b": "glorot_uniform"}
    assert without_drawing(config) == config
    assert not draws(ZEROS)


def test_the_proof_draws_no_weights(tmp_path, monkeypatch):
    """Only the file itself is loaded with initial values that Keras draws."""
    drawn = []
    for name in ("GlorotUniform", "Orthogonal"):
        kind = getattr(keras.initializers, name)
        original = kind.__call__

        def counting(self, shape, dtype=None, original=original, **options):
            drawn.append((tuple(shape), keras.backend.standardize_dtype(dtype)))
            return original(self, shape, dtype, **options)

        monkeypatch.setattr(kind, "__call__", counting)
    inputs = keras.Input((5, 3))
    x = keras.layers.LSTM(4)(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.Dense(6)(x))
    model = keras.Model(inputs, x)
    model.layers[-1].set_weights([np.arange(1.0, 7.0)] * 4)
    model.save(tmp_path / "m.keras")
    drawn.clear()
    result = fold_file(tmp_path / "m.keras", tmp_path / "f.keras")
    assert result.error["float64"] < 1e-12
    # The LSTM's two kernels and that of Dense, once.
    assert sorted(drawn) == [
        ((3, 16), "float32"),
        ((4, 6), "float32"),
        ((4, 16), "float32"),
    ]
