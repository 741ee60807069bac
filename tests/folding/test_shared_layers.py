"""A layer that is called several times with a BN after each call, as heads are.

The layer takes in one of them, and the others undo that.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasbn
from kerasbn.folding.proof.float64 import float64_arithmetic

from .models import L, outputs, randomise, sample


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    with float64_arithmetic():
        yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def fold(model, gamma=(-1, 1)):
    """Fold without our own proof, and compare in float64."""
    randomise(model)
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            layer.gamma.assign(np.linspace(*gamma, layer.gamma.shape[0]))
    result = kerasbn.fold_batch_norm(model, verify=False)
    x = sample(model)
    for expected, received in zip(
        outputs(model, x), outputs(result.model, x), strict=True
    ):
        np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-10)
    return result


def levels(count=3):
    return [keras.Input((2 ** (3 - i), 2 ** (3 - i), 4)) for i in range(count)]


def end(x):
    return L.ReLU()(L.BatchNormalization()(x))


LAYERS = {
    "Conv2D": lambda: L.Conv2D(4, 3, padding="same"),
    "DepthwiseConv2D": lambda: L.DepthwiseConv2D(3, padding="same"),
    "SeparableConv2D": lambda: L.SeparableConv2D(6, 3, padding="same"),
    "Conv2DTranspose": lambda: L.Conv2DTranspose(4, 2),
    "Dense": lambda: L.Dense(4),
    "EinsumDense": lambda: L.EinsumDense("abcd,de->abce", (None, None, 4)),
    "TimeDistributed": lambda: L.TimeDistributed(L.Dense(4)),
    "a nested model": lambda: keras.Sequential(
        [keras.Input((None, None, 4)), L.Conv2D(4, 3, padding="same")]
    ),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_one_of_three_goes(kind):
    layer, inputs = LAYERS[kind](), levels()
    result = fold(keras.Model(inputs, [end(layer(x)) for x in inputs]))
    (gone,) = result.folded
    assert gone["route"] == "backward"
    assert {entry["layer"] for entry in result.kept} < set(gone["into"])
    for entry in result.kept:
        assert "called 3 times with the same weights" in entry["reason"]


def test_heads_of_several_layers():
    layers = [L.Conv2D(4, 3, padding="same") for _ in range(3)]
    last, inputs = L.Conv2D(2, 3, padding="same"), levels()
    values = inputs
    for layer in layers:
        values = [end(layer(x)) for x in values]
    result = fold(keras.Model(inputs, [last(x) for x in values]))
    assert (len(result.folded), len(result.kept)) == (3, 6)


def test_a_layer_that_reads_its_own_output():
    (inputs,), layer = levels(1), L.Conv2D(4, 3, padding="same")
    x = inputs
    for _ in range(3):
        x = end(layer(x))
    assert len(fold(keras.Model(inputs, x)).folded) == 1


def test_what_lies_before_another_batch_norm():
    layer, (one, other) = L.Conv2D(4, 3, padding="same"), levels(2)
    x = L.AveragePooling2D(2)(layer(other)) + np.arange(16.0).reshape(2, 2, 4)
    assert len(fold(keras.Model([one, other], [end(layer(one)), end(x)])).folded) == 1


def test_a_linear_layer_corrects_a_call_without_batch_norm():
    layer, (one, other) = L.Conv2D(4, 3, padding="same"), levels(2)
    ends = [end(layer(one)), L.ReLU()(L.Dense(3, name="d")(layer(other)))]
    (gone,) = fold(keras.Model([one, other], ends)).folded
    assert "d" in gone["into"]


@pytest.mark.parametrize(
    "read", [lambda x: x, lambda x: L.ReLU()(x), lambda x: x * keras.ops.sum(x)]
)
def test_a_call_that_nobody_can_correct(read):
    layer, (one, other) = L.Conv2D(4, 3, padding="same"), levels(2)
    ends = [end(layer(one)), read(layer(other))]
    assert fold(keras.Model([one, other], ends)).folded == []


def test_an_output_that_something_else_reads_too():
    layer, (one, other) = L.Conv2D(4, 3, padding="same"), levels(2)
    x = layer(other)
    model = keras.Model([one, other], [end(layer(one)), end(x), L.ReLU()(x)])
    assert fold(model).folded == []


def test_gammas_of_zero():
    layer, inputs = L.Conv2D(4, 3, padding="same"), levels(2)
    model = keras.Model(inputs, [end(layer(x)) for x in inputs])
    assert fold(model, gamma=(0, 1)).folded == []


def test_numbers_that_would_lose_their_digits():
    """The other call makes numbers so small that this BN's shift would drown them."""
    layer, inputs = L.Dense(4), [keras.Input((3,)), keras.Input((3,))]
    norms = [L.BatchNormalization(name=name) for name in "ab"]
    ends = [L.ReLU()(n(layer(x))) for n, x in zip(norms, inputs, strict=True)]
    model = randomise(keras.Model(inputs, ends))
    for norm, variance in zip(norms, (1.0, 1e-12), strict=True):
        norm.epsilon = 1e-14
        norm.gamma.assign(np.ones(4))
        norm.beta.assign(np.full(4, 3.0))
        norm.moving_mean.assign(np.zeros(4))
        norm.moving_variance.assign(np.full(4, variance))
    result = kerasbn.fold_batch_norm(model, verify=False)
    assert [entry["layer"] for entry in result.folded] == ["b"]
