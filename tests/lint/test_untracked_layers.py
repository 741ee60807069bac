"""BN112 on live models: what the function of a Lambda layer refers to."""

from __future__ import annotations

import keras
import pytest

import lint

bn_of_the_module = keras.layers.BatchNormalization()
bn_of_the_module.build((None, 4))


def with_lambda(function, *more) -> keras.Model:
    inputs = keras.Input((4,))
    hidden = keras.layers.Lambda(function, output_shape=(4,), name="hidden")(inputs)
    for layer in more:
        hidden = layer(hidden)
    inner = keras.Model(inputs, hidden, name="inner")
    outer_inputs = keras.Input((4,))
    return keras.Model(outer_inputs, inner(outer_inputs))


def built(layer):
    layer.build((None, 4))
    return layer


def found(model):
    return [
        (finding.severity, finding.layer)
        for finding in lint.check(model, select=["BN112"])
    ]


def in_closure():
    bn = built(keras.layers.BatchNormalization())
    return lambda x: bn(x)


def in_default():
    bn = built(keras.layers.BatchNormalization())
    return lambda x, layer=bn: layer(x)


def in_a_network():
    layers = [keras.Input((4,)), keras.layers.BatchNormalization()]
    network = keras.Sequential(layers)
    return lambda x: network(x)


def in_globals():
    return lambda x: bn_of_the_module(x)


@pytest.mark.parametrize("make", [in_closure, in_default, in_a_network, in_globals])
def test_found(make):
    assert found(with_lambda(make())) == [("error", "inner/hidden")]


def test_what_the_model_tracks_is_right():
    bn = built(keras.layers.BatchNormalization())
    assert not found(with_lambda(lambda x: x + bn.epsilon, bn))


def test_frozen_and_other_layers_are_right():
    bn = built(keras.layers.BatchNormalization(trainable=False))
    dense = built(keras.layers.Dense(4))
    assert not found(with_lambda(lambda x: bn(x)))
    assert not found(with_lambda(lambda x: dense(x)))
    assert not found(with_lambda(keras.ops.relu))
