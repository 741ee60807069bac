"""Live models as they are: what no file can hold is kept, or copied, or named."""

from __future__ import annotations

import math
import threading
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import kerasbn

from .models import L, outputs, randomise, sample

FACTOR = 3.0


class Settings:
    def __init__(self):
        self.factor, self.module = 2.0, math

    def scale(self, x):
        return x * self.factor


class Given(L.Layer):
    """It is given objects, which its configuration lacks."""

    def __init__(self, settings, **kwargs):
        super().__init__(**kwargs)
        self.settings = settings
        self.dense = L.Dense(4)

    def call(self, x):
        return self.dense(x) * self.settings.factor


class Refuses(L.Layer):
    def __init__(self, **kwargs):
        units = kwargs.pop("units")
        super().__init__(**kwargs)
        self.dense, self.lock = L.Dense(units), threading.Lock()

    def call(self, x):
        with self.lock:
            return self.dense(x)

    def get_config(self):
        raise RuntimeError("nobody knows")


class Block(L.Layer):
    """Its `call` takes no `training`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.bn = L.Dense(4), L.BatchNormalization()

    def call(self, x):
        return self.bn(self.dense(x))


class Activates(Block):
    def call(self, x):
        return L.ReLU(name="relu")(super().call(x))


class Masked(Block):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        return super().call(x)


class Parts(Block):
    def call(self, inputs, scale=1.0):
        y = self.dense(inputs["x"]) * scale
        return {"normal": self.bn(y), "other": y + inputs["y"]}


class Backbone(keras.Model):
    def __init__(self, **kwargs):
        x = keras.Input((6,))
        super().__init__(x, L.BatchNormalization()(L.Dense(4)(x)), **kwargs)


class Twice(keras.Model):
    def call(self, x, training=None, mask=None):
        return 2 * super().call(x, training=training)


def model_of(*layers, shape=(6,)):
    x = y = keras.Input(shape)
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def linear():
    return [L.Dense(4), L.BatchNormalization()]


def closure():
    factor = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    return lambda x: x * factor


def twice():
    x = keras.Input((6,))
    return Twice(x, L.BatchNormalization()(L.Dense(4)(x)))


def shared_block():
    block, x = Block(), keras.Input((4,))
    return keras.Model(x, block(block(x)))


def shared_model():
    encoder = model_of(*linear())
    heads = [model_of(encoder, L.Dense(units)) for units in (2, 3)]
    x = keras.Input((6,))
    return keras.Model(x, [head(x) for head in heads])


def parts():
    x, y = keras.Input((6,), name="x"), keras.Input((4,), name="y")
    out = Parts()({"x": x, "y": y}, scale=0.5)
    return keras.Model([x, y], [L.Dense(2)(out["normal"]), out["other"]])


def masked():
    x = keras.Input((5,), dtype="int32")
    y = L.Embedding(7, 4, mask_zero=True)(x)
    return keras.Model(x, L.LSTM(3)(Masked()(y)))


MODELS = {
    "a global": lambda: model_of(*linear(), L.Lambda(lambda x: x * FACTOR)),
    "a closure": lambda: model_of(*linear(), L.Lambda(closure())),
    "a partial": lambda: model_of(*linear(), L.Lambda(partial(ops.multiply, 3.0))),
    "a bound method": lambda: model_of(*linear(), L.Lambda(Settings().scale)),
    "a nested Lambda": lambda: model_of(
        *linear(), model_of(L.Lambda(closure()), shape=(4,))
    ),
    "an object": lambda: model_of(*linear(), Given(Settings())),
    "no configuration": lambda: model_of(*linear(), Refuses(units=3)),
    "an activation of one's own": lambda: model_of(
        L.BatchNormalization(), L.Dense(4, activation=lambda x: ops.tanh(x) * 2)
    ),
    "a block": lambda: model_of(Block(), Block()),
    "layers made in call": lambda: model_of(Activates(), Activates()),
    "a block in a Sequential": lambda: keras.Sequential([keras.Input((6,)), Block()]),
    "a shared block": shared_block,
    "a shared model": shared_model,
    "masks": masked,
    "a functional subclass": lambda: model_of(Backbone(name="b"), L.ReLU()),
    "its own call": lambda: model_of(twice(), L.ReLU()),
    "a model for each step": lambda: model_of(
        L.TimeDistributed(model_of(*linear())), shape=(5, 6)
    ),
    "half precision": lambda: model_of(Block(dtype="mixed_float16")),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_a_file_cannot_hold(kind):
    model = randomise(MODELS[kind]())
    inputs = sample(model) if kind != "masks" else np.array([[1, 2, 0, 0, 0]] * 2)
    expected = outputs(model, inputs)
    weights = model.get_weights()
    calls = [len(layer._inbound_nodes) for layer in model._flatten_layers()]

    result = kerasbn.fold_batch_norm(model)

    assert result.kept == []
    assert result.folded
    assert result.proof.scope == "whole"
    assert result.verified
    tolerance = 2e-2 if kind == "half precision" else 1e-4
    for before, after in zip(expected, outputs(result.model, inputs), strict=True):
        np.testing.assert_allclose(after, before, rtol=tolerance, atol=tolerance)
    # The original is as it was, and no weight is in both.
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    now = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    assert now == calls
    ours = {id(variable) for variable in model.variables}
    assert not [v.path for v in result.model.variables if id(v) in ours]


def test_several_inputs_and_outputs_of_a_block():
    model = randomise(parts())
    inputs = sample(model)
    result = kerasbn.fold_batch_norm(model)
    assert result.kept == []
    assert len(result.folded) == 1
    for before, after in zip(
        outputs(model, inputs), outputs(result.model, inputs), strict=True
    ):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)


def test_batch_norm_that_cannot_be_seen_is_named():
    hidden = L.BatchNormalization(name="hidden")
    hidden.build((None, 4))
    model = model_of(*linear(), L.Lambda(lambda x: hidden(x), name="odd"))
    result = kerasbn.fold_batch_norm(randomise(model))
    assert result.headline == "1 of 2 BN layers folded"
    (kept,) = result.kept
    assert kept == {
        "layer": "odd/hidden",
        "reason": "a function in the layer `odd` calls it, unseen",
    }
    assert any("`odd`" in note and "function" in note for note in result.notes)


def test_what_is_shared_is_noted():
    model = randomise(model_of(*linear(), Refuses(units=3, name="refuses")))
    (note,) = kerasbn.fold_batch_norm(model).notes
    assert "`refuses`" in note
    assert "lock" in note


def test_a_batch_norm_that_is_never_called():
    class Forgets(Block):
        def build(self, shape):
            self.dense.build(shape)
            self.bn.build((None, 4))

        def call(self, x):
            return self.dense(x)

    model = model_of(Forgets(name="forgets"))
    (kept,) = kerasbn.fold_batch_norm(model).kept
    assert kept["layer"].startswith("forgets/")
    assert kept["reason"] == "is never called"


def test_a_block_that_does_something_else_with_symbolic_tensors():
    class Odd(Block):
        def call(self, x):
            symbolic = isinstance(x, keras.KerasTensor)
            return super().call(x) * (1.0 if symbolic else 2.0)

    model = randomise(model_of(Block(name="even"), Odd(name="odd")))
    expected = outputs(model, sample(model))
    result = kerasbn.fold_batch_norm(model)
    (kept,) = result.kept
    assert kept["layer"].startswith("odd/")
    assert "something else" in kept["reason"]
    assert len(result.folded) == 1
    np.testing.assert_allclose(
        outputs(result.model, sample(model))[0], expected[0], rtol=1e-4, atol=1e-5
    )


def test_states_stay_as_they_were():
    x = keras.Input(batch_shape=(2, 5, 6))
    lstm = L.LSTM(3, stateful=True)
    model = randomise(keras.Model(x, lstm(L.BatchNormalization()(L.Dense(4)(x)))))
    outputs(model, np.ones((2, 5, 6)))
    before = [ops.convert_to_numpy(state) for state in lstm.states]
    result = kerasbn.fold_batch_norm(model)
    assert result.proof.scope == "whole"
    after = [ops.convert_to_numpy(state) for state in lstm.states]
    np.testing.assert_array_equal(before, after)


def test_an_output_keeps_the_name_of_its_block():
    model = model_of(Block(name="head"))
    model.compile("adam", {"head": "mse"})
    folded = kerasbn.fold_batch_norm(randomise(model)).model
    assert folded.output_names == ["head"]
    x, y = np.ones((4, 6)), np.ones((4, 4))
    assert folded.evaluate(x, y, verbose=0) == pytest.approx(
        model.evaluate(x, y, verbose=0), rel=1e-4
    )


def test_a_wrong_fold_of_a_live_model_is_refused(monkeypatch):
    from kerasbn.live import Rebuilt

    usual = Rebuilt.assign

    def halved(self, path, variables, copier=None):
        return usual(self, path, [v * 0.5 for v in variables], copier)

    monkeypatch.setattr(Rebuilt, "assign", halved)
    model = randomise(model_of(*linear(), L.Dense(2)))
    with pytest.raises(kerasbn.NotEqualError):
        kerasbn.fold_batch_norm(model)
