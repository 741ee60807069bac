"""Every kind of model; what stays as it was; what is refused."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasbn

from .models import BACKEND, array, check, samples, single, state


class Block(layers.Layer):
    """A custom layer with a BN of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bn = layers.BatchNormalization(name="bn")

    def build(self, shape):
        self.bn.build(shape)

    def call(self, x):
        return self.bn(x)


class Subclassed(keras.Model):
    """Its `call` has no `training`, its BN gets False."""

    def __init__(self):
        super().__init__()
        self.bn, self.drop = layers.BatchNormalization(), layers.Dropout(0.5)

    def call(self, x):
        return self.bn(self.drop(x), training=False)


def recalibrate(*args, **kwargs):
    return kerasbn.recalibrate(*args, verbose=0, **kwargs)


def test_nested_models_and_custom_layers():
    inner = keras.Sequential([keras.Input((4,)), Block(name="block")], name="inner")
    x = keras.Input((4,))
    model = keras.Model(x, inner(x))
    (moved,) = recalibrate(model, samples())
    assert moved.path == "inner/block/bn"
    check(inner.layers[0].bn, samples())


def test_subclassed_models():
    model = Subclassed()
    model(samples())
    recalibrate(model, samples())
    check(model.bn, samples())


def test_layers_that_loop():
    bn = layers.BatchNormalization()
    model = single(layers.TimeDistributed(bn), (5, 4))
    x = samples((30, 5, 4))
    (moved,) = recalibrate(model, x)
    check(bn, x, (0, 1))
    assert moved.samples == 150


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.function")
def test_compiled_calls_are_seen():
    import tensorflow as tf

    class Compiled(Subclassed):
        @tf.function
        def call(self, x):
            return self.bn(x)

    model = Compiled()
    model(samples())  # traced from here on
    recalibrate(model, samples())
    check(model.bn, samples())
    assert not tf.config.functions_run_eagerly()


@pytest.mark.skipif(BACKEND != "jax", reason="jax.jit")
def test_jitted_calls_are_seen():
    import jax

    class Jitted(Subclassed):
        def __init__(self):
            super().__init__()
            self.jitted = jax.jit(self.bn)

        def call(self, x):
            return self.jitted(x)

    model = Jitted()
    model.bn.build((None, 4))
    model(samples())
    recalibrate(model, samples())
    check(model.bn, samples())


@pytest.mark.skipif(BACKEND != "jax", reason="vmap traces on JAX")
def test_a_traced_layer_is_named():
    import jax

    class Mapped(Subclassed):
        def call(self, x):
            return jax.vmap(lambda row: self.bn(row[None])[0])(x)

    model = Mapped()
    model.bn.build((None, 4))
    model(samples())
    with pytest.raises(RuntimeError, match=r"not be traced.*\n?.*Received"):
        recalibrate(model, samples())


def test_nothing_else_changes():
    dense = layers.Dense(2, activity_regularizer="l2")
    bns = layers.BatchNormalization(), kerasbn.BatchNormalization()
    dropout = layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((4,)), bns[0], dropout, dense, bns[1]])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(samples(), np.ones((90, 2)), verbose=0)
    statistics = {id(v) for bn in bns for v in bn.weights[2:]}
    others = [v for v in model.variables if id(v) not in statistics]
    others += [*model.optimizer.variables, *model.metrics_variables]
    before = [array(v) for v in others]
    calls = [dict(vars(layer)) for layer in model.layers]
    recalibrate(model, samples())
    for old, variable in zip(before, others, strict=True):
        np.testing.assert_array_equal(old, array(variable))
    assert [dict(vars(layer)) for layer in model.layers] == calls
    model.fit(samples(), np.ones((90, 2)), verbose=0)


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (lambda: 1 / 0, ZeroDivisionError, "division"),
        (lambda: np.ones((2, 3), "float32"), ValueError, "4"),
        (lambda: np.full((2, 4), np.nan, "float32"), ValueError, "not finite.*Rec"),
    ],
)
def test_a_failure_midway_changes_nothing(broken, error, message):
    model = single(layers.BatchNormalization())

    def data():
        yield samples()
        yield broken()

    before = state(model)
    with pytest.raises(error, match=message):
        recalibrate(model, data())
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "call" not in vars(model.layers[0])


def test_layers_out_of_reach_are_named():
    class Auxiliary(Subclassed):
        def __init__(self):
            super().__init__()
            self.extra = layers.BatchNormalization(name="extra")
            self.extra.build((None, 4))

    model = Auxiliary()
    model(samples())
    with pytest.warns(UserWarning, match=r"No sample .* \['extra'\]"):
        (moved,) = recalibrate(model, samples())
    assert moved.path == model.bn.name
    assert (array(model.extra.moving_mean) == 0).all()


def test_no_layer_in_reach():
    bn = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5, 4)), layers.Masking(), bn])
    with pytest.raises(ValueError, match=r"No sample reached.*Received"):
        recalibrate(model, np.zeros((3, 5, 4), "float32"))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("model.keras", TypeError, "Received: an object of type str"),
        (keras.Sequential([layers.Dense(1)]), ValueError, "Received: Sequential"),
        (single(layers.Dense(1)), ValueError, "no batch norm.*Received: Sequential"),
    ],
)
def test_models_that_do_not_fit(model, error, message):
    with pytest.raises(error, match=message):
        recalibrate(model, samples())


def test_the_progress_bar(capsys):
    model = single(layers.BatchNormalization())
    kerasbn.recalibrate(model, samples())
    assert "3/3" in capsys.readouterr().out
    kerasbn.recalibrate(model, samples(), verbose=0)
    assert not capsys.readouterr().out
