"""`freeze` and `unfreeze`: all batch normalization, and when to compile anew."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasbn

X, Y = np.random.default_rng(0).normal(3, 2, (16, 4)), np.ones((16, 1))


def model_of():
    base = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4), layers.BatchNormalization(name="bn")],
        name="base",
    )
    x = keras.Input((4,))
    y = layers.BatchNormalization(name="top")(base(x))
    return keras.Model(x, layers.Dense(1)(y))


def states(model):
    base = model.get_layer("base").layers[-1]
    return [
        np.array(w) for x in (base, model.get_layer("top")) for w in x.get_weights()
    ]


def moved(model):
    before = states(model)
    model.fit(X, Y, verbose=0)
    pairs = zip(before, states(model), strict=True)
    return [not np.array_equal(one, other) for one, other in pairs]


@pytest.mark.parametrize("first", ["freeze", "compile"])
def test_before_and_after_compile(first):
    model = model_of()
    if first == "compile":
        model.compile("sgd", "mse")
    report = kerasbn.freeze(model)
    assert sorted(report.changed) == ["base/bn", "top"]
    assert report.frozen
    assert not report.needs_compile
    if first == "freeze":
        model.compile("sgd", "mse")
    assert not any(moved(model))


def test_after_training_a_new_compile_is_needed():
    model = model_of()
    model.compile("sgd", "mse")
    assert all(moved(model))
    report = kerasbn.freeze(model)
    assert report.needs_compile
    assert "compile the model" in str(report)
    model.compile("sgd", "mse")
    assert not any(moved(model))
    assert kerasbn.freeze(model).unchanged == report.changed
    assert not kerasbn.freeze(model).needs_compile  # nothing changed
    assert kerasbn.unfreeze(model).needs_compile
    model.compile("sgd", "mse")
    assert all(moved(model))


def test_those_chosen():
    model = model_of()
    report = kerasbn.freeze(model, layers="base/*")
    assert report.changed == ["base/bn"]
    assert model.get_layer("top").trainable


def test_what_stays_frozen_is_reported():
    model = model_of()
    model.get_layer("base").trainable = False
    report = kerasbn.unfreeze(model)
    assert report.changed == ["base/bn"]
    assert report.inside_frozen == ["base/bn"]


def test_a_layer_that_only_a_function_calls():
    hidden = layers.BatchNormalization(name="hidden")
    hidden.build((None, 4))
    x = keras.Input((4,))
    y = layers.Lambda(lambda t: hidden(t), name="odd")(x)
    with pytest.raises(ValueError, match="does not track odd/hidden"):
        kerasbn.freeze(keras.Model(x, y))
    report = kerasbn.freeze(keras.Model(x, layers.BatchNormalization()(y)))
    assert report.unseen == ["odd/hidden"]
    assert hidden.trainable


def test_what_is_no_model():
    with pytest.raises(TypeError, match="Received: an object of type str"):
        kerasbn.freeze("model.keras")
