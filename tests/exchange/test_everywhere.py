"""Layers are exchanged wherever they are held, with options, all or those chosen."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasbn
from kerasbn import BatchNormalization

from .models import array, data, layers_by_path


class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.bn = layers.Dense(4), layers.BatchNormalization(name="bn")

    def call(self, x):
        return self.bn(self.dense(x))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.block, self.head = Block(name="block"), layers.Dense(2)

    def call(self, x):
        return self.head(self.block(x))


def batch_norms(model):
    found = layers_by_path(model)
    return {p: x for p, x in found if isinstance(x, layers.BatchNormalization)}


def nested():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4), layers.BatchNormalization(name="bn")],
        name="backbone",
    )
    x = keras.Input((4,))
    return keras.Model(x, layers.BatchNormalization(name="top")(inner(x)))


def test_a_subclassed_model_and_its_blocks():
    model = Net()
    model.compile("sgd", "mse")
    model.fit(data((8, 4)), data((8, 2)), verbose=0)
    with pytest.warns(UserWarning, match=r"\['block'\] creates its batch norm"):
        copy = kerasbn.upgrade(model)
    assert type(copy) is Net
    (old,), (new,) = batch_norms(model).values(), batch_norms(copy).values()
    assert type(old) is layers.BatchNormalization
    assert type(new) is BatchNormalization
    assert copy.block.bn is new
    x = data((3, 4))
    np.testing.assert_allclose(array(copy(x)), array(model(x)), rtol=1e-5, atol=1e-6)
    before = model.get_weights()
    copy.fit(data((8, 4)), data((8, 2)), verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_lambda_that_reads_a_closure():
    factor = np.float32(3)
    x = keras.Input((4,))
    y = layers.Lambda(lambda t: t * factor)(layers.BatchNormalization()(x))
    model = keras.Model(x, y)
    copy = kerasbn.upgrade(model)
    one, other = (array(m(data((3, 4)))) for m in (model, copy))
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_options_for_all_layers():
    copy = kerasbn.upgrade(nested(), momentum=0.7, zero_debias=True)
    found = batch_norms(copy)
    assert found.keys() == {"backbone/bn", "top"}
    assert [layer.momentum for layer in found.values()] == [0.7, 0.7]
    assert all(layer.zero_debias for layer in found.values())
    again = batch_norms(kerasbn.upgrade(copy, momentum=0.5))
    assert [(x.momentum, x.zero_debias) for x in again.values()] == [(0.5, True)] * 2


@pytest.mark.parametrize(
    "chosen",
    ["backbone/*", ["nothing", "*bone/bn"], lambda layer: layer.name == "bn"],
)
def test_chosen_layers(chosen):
    found = batch_norms(kerasbn.upgrade(nested(), layers=chosen, momentum=0.5))
    assert type(found["backbone/bn"]) is BatchNormalization
    assert found["backbone/bn"].momentum == 0.5
    assert type(found["top"]) is layers.BatchNormalization


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"axis": 1}, TypeError, "Received: axis"),
        ({"momentun": 0.9}, TypeError, "Received: momentun"),
        ({"momentum": 1.5}, ValueError, "momentum"),
        ({"layers": "bn"}, ValueError, "selects none.*Received: layers='bn'"),
        ({"layers": [1]}, TypeError, "`layers` must be"),
    ],
)
def test_options_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        kerasbn.upgrade(nested(), **options)
