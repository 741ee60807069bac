"""What cannot be exchanged, and what is lost: said in one message."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasbn
from kerasbn import BatchNormalization

from .models import BACKEND, array, data


def test_downgrade_names_each_layer_that_stock_has_not():
    cumulative = BatchNormalization(momentum=None, name="all")
    inner = keras.Sequential([cumulative], name="inner")
    good = BatchNormalization(name="good")
    model = keras.Sequential(
        [keras.Input((3, 4)), BatchNormalization([1, 2], name="pixels"), good, inner]
    )
    with pytest.raises(ValueError, match="Received:\n") as error:
        kerasbn.downgrade(model)
    assert str(error.value).splitlines()[1:] == [
        "  pixels: axis=[1, 2]; stock supports one axis. Keep this layer.",
        "  inner/all: momentum=None; set a number as the layer's momentum first.",
    ]


@pytest.mark.every_backend
@pytest.mark.skipif(BACKEND == "tensorflow", reason="stock has it there")
def test_synchronized_layers():
    layer = BatchNormalization()
    layer.synchronized = True
    with pytest.raises(ValueError, match=r"synchronized=True.*Set it to False"):
        kerasbn.downgrade(keras.Sequential([keras.Input((4,)), layer]))


def test_momentum_can_be_set_first():
    layer = BatchNormalization(momentum=None)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.momentum = 0.9
    assert kerasbn.downgrade(model).layers[0].momentum == 0.9


def test_zero_debias_keeps_its_statistics_and_warns():
    model = keras.Sequential(
        [keras.Input((4,)), BatchNormalization(zero_debias=True, name="bn")]
    )
    model(data((8, 4)), training=True)
    with pytest.warns(UserWarning, match=r"no zero_debias.* lost in \['bn'\]"):
        stock = kerasbn.downgrade(model)
    assert type(stock.layers[0]) is layers.BatchNormalization
    one, other = (array(m(data((8, 4)))) for m in (model, stock))
    np.testing.assert_allclose(one, other, atol=1e-6)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x, training=training)


@pytest.mark.parametrize("exchanged", [kerasbn.upgrade, kerasbn.downgrade])
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("model.keras", TypeError, "Received: an object of type str"),
        (Subclassed(), TypeError, "Received: Subclassed.*save_weights"),
        (keras.Sequential([layers.Dense(1)]), ValueError, "not built"),
    ],
)
def test_models_that_do_not_fit(exchanged, model, error, message):
    with pytest.raises(error, match=message):
        exchanged(model)


def unregistered(y, prediction):
    return keras.ops.mean((y - prediction) ** 2)


def test_a_function_of_the_users_own_is_compiled_with():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    model.compile("sgd", unregistered)
    assert kerasbn.upgrade(model).compiled


class Unsavable(keras.losses.Loss):
    """Its configuration lacks what its constructor needs."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def call(self, y, prediction):
        return self.weight * (y - prediction) ** 2


def test_a_loss_that_no_file_can_hold_is_compiled_with():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    model.compile("sgd", Unsavable(2.0), metrics=[keras.metrics.MeanSquaredError()])
    copy = kerasbn.upgrade(model)
    assert copy.loss is model.loss
    assert model.evaluate(data((8, 4)), data((8, 4)), verbose=0) == pytest.approx(
        copy.evaluate(data((8, 4)), data((8, 4)), verbose=0), rel=1e-5
    )


class Unbuildable(keras.optimizers.SGD):
    """Its configuration lacks what its constructor needs."""

    def __init__(self, rate):
        super().__init__(rate)


def test_what_cannot_be_compiled_alike_is_left_uncompiled():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    model.compile(Unbuildable(0.1), "mse")
    with pytest.warns(UserWarning, match=r"(?s)not compiled.*Compile it"):
        copy = kerasbn.upgrade(model)
    assert not copy.compiled
    assert model.compiled


def test_an_optimizer_of_other_weights_is_not_kept():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    model.compile("adam", "mse")
    model.fit(data((8, 4)), data((8, 4)), verbose=0)
    model.trainable = False
    with pytest.warns(UserWarning, match="optimizer was not kept.*Received: 6"):
        copy = kerasbn.upgrade(model)
    assert copy.compiled
