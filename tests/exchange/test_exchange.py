"""Stock for ours and back: the same model in everything but the class."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerasbn

from .models import Opaque, array, data, fit, layers_by_path, model_of, outputs

STOCK, OURS = layers.BatchNormalization, kerasbn.BatchNormalization
EXCHANGES = [(STOCK, kerasbn.upgrade, OURS), (OURS, kerasbn.downgrade, STOCK)]


@pytest.fixture(params=EXCHANGES, ids=["upgrade", "downgrade"])
def exchange(request):
    return request.param


def types(model, wanted):
    return {path for path, layer in layers_by_path(model) if type(layer) is wanted}


def plain(config):
    """The configuration with the tuples of a live model as a file's lists."""
    return json.loads(json.dumps(config))


def test_every_layer_at_any_depth(exchange):
    old, exchanged, new = exchange
    model = model_of(old)
    everywhere = types(model, old)
    assert len(everywhere) == 4 + (old is STOCK)  # in the custom layer
    copy = exchanged(model)
    assert types(copy, new) - types(model, new) == everywhere
    assert types(model, old) >= everywhere  # as it was


def test_the_same_outputs_names_and_weights(exchange):
    old, exchanged, _ = exchange
    model = fit(model_of(old))
    copy = exchanged(model)
    np.testing.assert_allclose(outputs(copy), outputs(model), atol=1e-5)
    paths = [p for p, _ in layers_by_path(model)]
    assert sorted(paths) == sorted(p for p, _ in layers_by_path(copy))
    assert copy.name == model.name
    assert [x.name for x in copy.inputs] == [x.name for x in model.inputs]
    assert copy.output.keys() == model.output.keys()
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for path, layer in layers_by_path(copy):
        config = dict(layers_by_path(model))[path].get_config()
        if not isinstance(layer, keras.Model | layers.TimeDistributed | Opaque):
            assert plain(layer.get_config()) == plain(config)


@pytest.mark.every_backend
def test_training_goes_on_as_it_would_have(exchange):
    """The optimizer's moments, the seeds of dropout, the compiled losses."""
    old, exchanged, _ = exchange
    model = fit(model_of(old))
    copy = exchanged(model)
    assert copy.optimizer is not model.optimizer
    fit(model), fit(copy)
    np.testing.assert_allclose(outputs(copy), outputs(model), atol=2e-4)
    evaluated = [
        m.evaluate({"in": data()}, {"out": data((16, 6, 2), 1)}, verbose=0)
        for m in (model, copy)
    ]
    assert len(evaluated[0]) == 2  # the loss and the metric
    np.testing.assert_allclose(*evaluated, rtol=1e-3)


def test_shared_layers_stay_shared(exchange):
    old, exchanged, _ = exchange
    model, copy = model_of(old), exchanged(model_of(old))
    assert copy.count_params() == model.count_params()
    assert len(copy.get_layer("shared")._inbound_nodes) == 2


def test_there_and_back():
    model = fit(model_of(STOCK))
    back = kerasbn.downgrade(kerasbn.upgrade(model))
    assert plain(back.get_config()) == plain(model.get_config())
    np.testing.assert_allclose(outputs(back), outputs(model), atol=1e-5)


@pytest.mark.parametrize("frozen", ["shared", "opaque", "time"])
def test_frozen_layers_stay_frozen(exchange, frozen):
    old, exchanged, _ = exchange
    model = model_of(old)
    model.trainable = False
    model.get_layer("steps").trainable = True
    (inner,) = (x for x in model.layers if isinstance(x, keras.Sequential))
    inner.layers[0].trainable = True
    flags = {path: layer.trainable for path, layer in layers_by_path(model)}
    copy = exchanged(model)
    assert copy.trainable is False
    assert {p: layer.trainable for p, layer in layers_by_path(copy)} == flags
    model.trainable = True
    model.get_layer(frozen).trainable = False
    flags = {path: layer.trainable for path, layer in layers_by_path(model)}
    copy = exchanged(model)
    assert {p: layer.trainable for p, layer in layers_by_path(copy)} == flags


def test_sequential_and_functional_classes_of_ones_own(exchange):
    old, exchanged, new = exchange

    class Own(keras.Model):
        def __init__(self):
            x = keras.Input((4,))
            super().__init__(x, old(name="bn")(x))

    copy = exchanged(Own())
    assert type(copy.get_layer("bn")) is new
    sequential = keras.Sequential([keras.Input((4,)), old()])
    copy = exchanged(sequential)
    assert type(copy) is keras.Sequential
    assert type(copy.layers[0]) is new


def test_subclasses_of_batch_normalization_are_kept():
    class Own(layers.BatchNormalization):
        pass

    copy = kerasbn.upgrade(keras.Sequential([keras.Input((4,)), Own()]))
    assert type(copy.layers[0]) is Own


def test_an_application():
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    copy = kerasbn.upgrade(model)
    assert len(types(copy, OURS)) == len(types(model, STOCK)) == 52
    x = data((2, 32, 32, 3))
    one, other = (array(m(x, training=False)) for m in (model, copy))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_weight_of_zero_debias_goes_through_an_upgrade():
    model = keras.Sequential([keras.Input((4,)), OURS(zero_debias=True)])
    model(data((8, 4)), training=True)
    w = array(model.layers[0].moving_weight.w)
    copy = kerasbn.upgrade(model)
    np.testing.assert_array_equal(array(copy.layers[0].moving_weight.w), w)
