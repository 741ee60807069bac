"""Weights go between stock and zero-debiased layers, by every route."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from .helpers import BACKEND, randomize, statistics, train, weight

Stock = keras.layers.BatchNormalization
rng = np.random.default_rng(0)
X = rng.normal(5, 2, (64, 3)).astype("float32")
OPTIONS = [{"zero_debias": True}, {"momentum": None}]


def model_of(layer):
    return keras.Sequential([keras.Input((3,)), layer])


def by_keras_file(source, target, path):
    source.save(path / "model.keras")
    target.load_weights(path / "model.keras")


def by_weights_file(source, target, path):
    source.save_weights(path / "model.weights.h5")
    target.load_weights(path / "model.weights.h5")


def by_legacy_file(source, target, path):
    source.save(path / "model.h5")
    target.load_weights(path / "model.h5")


def by_list(source, target, path):
    target.set_weights(source.get_weights())


def by_layers_list(source, target, path):
    target.layers[0].set_weights(source.layers[0].get_weights())


def by_checkpoint(source, target, path):
    tf = pytest.importorskip("tensorflow")
    saved = tf.train.Checkpoint(model=source).save(str(path / "checkpoint"))
    tf.train.Checkpoint(model=target).restore(saved).expect_partial()


ROUTES = [by_keras_file, by_weights_file, by_legacy_file, by_list, by_layers_list]
if BACKEND == "tensorflow":
    ROUTES.append(by_checkpoint)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("route", ROUTES)
def test_plain_statistics_are_not_overwritten(route, options, tmp_path):
    source = model_of(Stock())
    before = [w.copy() for w in randomize(source.layers[0]).get_weights()]
    target = model_of(BatchNormalization(**options))
    layer = target.layers[0]
    route(source, target, tmp_path)
    for loaded, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(loaded, old)
    train(layer, X)
    rate = 0.5 if layer.momentum is None else 0.01
    for new, old, batch in zip(
        statistics(layer), before[2:], (X.mean(0), X.var(0)), strict=True
    ):
        np.testing.assert_allclose(new, old + rate * (batch - old), rtol=1e-5)
    assert weight(layer) == (2 if layer.momentum is None else 1)


@pytest.mark.parametrize("route", ROUTES)
def test_initial_statistics_of_a_plain_layer_are_still_replaced(route, tmp_path):
    target = model_of(BatchNormalization(zero_debias=True))
    route(model_of(Stock()), target, tmp_path)
    train(target.layers[0], X)
    np.testing.assert_allclose(statistics(target.layers[0])[0], X.mean(0), rtol=1e-5)


# A model's own list of weights passes the layer by: it keeps what it has counted.
@pytest.mark.parametrize("route", [r for r in ROUTES if r not in (by_list,)])
def test_plain_statistics_in_a_layer_that_has_begun_to_train(route, tmp_path):
    if route is by_checkpoint:
        pytest.skip("nor does the layer see a checkpoint")
    source = model_of(Stock())
    old = randomize(source.layers[0]).get_weights()[2]
    target = model_of(BatchNormalization(zero_debias=True))
    train(target.layers[0], X)
    route(source, target, tmp_path)
    train(target.layers[0], X)
    np.testing.assert_allclose(
        statistics(target.layers[0])[0], old + 0.01 * (X.mean(0) - old), rtol=1e-5
    )


@pytest.mark.parametrize(("mean", "variance"), [(4, 1), (0, 9)])
def test_one_statistic_that_is_not_initial_is_enough(mean, variance):
    layer = BatchNormalization(zero_debias=True)
    layer.build(X.shape)
    layer.set_weights([np.full(3, value) for value in (1, 0, mean, variance)])
    train(layer, X)
    expected = mean + 0.01 * (X.mean(0) - mean)
    np.testing.assert_allclose(statistics(layer)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("route", ROUTES)
def test_stock_takes_the_weights(route, options, tmp_path):
    source = model_of(BatchNormalization(**options))
    train(source.layers[0], X, X + 1)
    target = model_of(Stock())
    route(source, target, tmp_path)
    for a, b in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("initializer", ["random_normal", np.full(3, 2.0, "float32")])
def test_other_initial_values_are_replaced_too(initializer):
    layer = BatchNormalization(zero_debias=True, moving_mean_initializer=initializer)
    train(layer, X)
    np.testing.assert_allclose(statistics(layer)[0], X.mean(0), rtol=1e-5)
