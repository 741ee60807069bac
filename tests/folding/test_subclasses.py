"""Models and blocks whose own code calls their layers, traced where that can be."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasbn

from .models import L, outputs, randomise, sample


class Block(L.Layer):
    """All blocks give their layers the same names."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.conv = L.Conv2D(filters, 3, padding="same", name="conv")
        self.bn = L.BatchNormalization(name="bn")

    def call(self, x, training=None):
        return keras.ops.relu(self.bn(self.conv(x), training=training))


class Net(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = Block(4, name="first"), Block(4, name="second")
        self.stack = keras.Sequential([L.Conv2D(4, 3), L.BatchNormalization()])
        self.head = L.Dense(3, name="head")

    def call(self, x, training=None):
        x = self.first(x, training=training)
        x = x + self.second(x, training=training)
        x = self.stack(x, training=training)
        return self.head(keras.ops.mean(x, axis=(1, 2)))


def expect(model, inputs, folded, kept=0):
    randomise(model)
    names = [layer.name for layer in model._flatten_layers()]
    (expected,) = outputs(model, inputs)

    result = kerasbn.fold_batch_norm(model)

    assert len(result.folded) == folded
    assert len(result.kept) == kept
    assert result.verified
    (received,) = outputs(result.model, inputs)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
    # The model itself is as it was.
    assert [layer.name for layer in model._flatten_layers()] == names
    np.testing.assert_array_equal(outputs(model, inputs)[0], expected)
    return result


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def test_a_subclassed_model(image):
    model = Net()
    model(image)
    result = expect(model, image, 3)
    assert result.folded[0] == {
        "layer": "first/bn",
        "into": ["first/conv"],
        "route": "backward",
    }


def test_its_compilation_is_kept(image):
    model = Net()
    model.compile("adam", "mse")
    model.fit(image, np.zeros((2, 3)), verbose=0)
    expected = model.evaluate(image, np.zeros((2, 3)), verbose=0)
    folded = kerasbn.fold_batch_norm(model).model
    received = folded.evaluate(image, np.zeros((2, 3)), verbose=0)
    assert received == pytest.approx(expected, rel=1e-4)


def test_blocks_in_a_functional_model(image):
    inputs = keras.Input((8, 8, 3))
    x = Block(4)(inputs)
    model = keras.Model(inputs, L.Dense(2)(Block(3)(x)))
    expect(model, image, 2)


def test_inputs_in_a_dict():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = L.Dense(3), L.BatchNormalization()

        def call(self, inputs):
            return self.b(self.a(inputs["x"])) * inputs["y"]

    model = Two()
    inputs = {"x": np.ones((2, 3), "float32"), "y": np.ones((2, 1), "float32")}
    model(inputs)
    expect(model, inputs, 1)


def test_a_block_with_weights_of_its_own_is_opaque(image):
    class Scaled(Block):
        def build(self, shape):
            self.scale = self.add_weight((), initializer="ones")
            super().build(shape)

        def call(self, x, training=None):
            return self.scale * super().call(x, training=training)

    inputs = keras.Input((8, 8, 3))
    x = L.BatchNormalization()(L.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, Scaled(3, name="scaled")(x))
    (kept,) = expect(model, image, 1, kept=1).kept
    assert kept["layer"] == "scaled/bn"
    assert "weights of its own" in kept["reason"]


def test_training_true_in_the_code_is_seen(image):
    class Always(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = L.Dense(3), L.BatchNormalization()

        def call(self, x):
            return self.b(self.a(x), training=True)

    model = Always()
    model(image)
    (kept,) = kerasbn.fold_batch_norm(model, verify=False).kept
    assert "training=True" in kept["reason"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (lambda self, x: self.b(self.a(keras.ops.convert_to_numpy(x))), "symbolic"),
        (
            lambda self, x: self.b(self.a(x)) if hasattr(x, "numpy") else self.a(x),
            "something else",
        ),
    ],
)
def test_code_that_cannot_be_traced(code, message, image):
    if message == "something else" and keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow's eager tensors have `numpy`")

    class Odd(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = L.Dense(3), L.BatchNormalization()

        def call(self, x):
            return code(self, x)

    model = randomise_built(Odd(), image)
    with pytest.raises(TypeError, match=message):
        kerasbn.fold_batch_norm(model)


def randomise_built(model, inputs):
    model(inputs)
    return randomise(model)


def test_a_subclass_of_functional_with_a_call_of_its_own():
    class Twice(keras.Model):
        def call(self, x, training=None, mask=None):
            return 2 * super().call(x, training=training)

    inputs = keras.Input((4,))
    model = Twice(inputs, L.BatchNormalization()(L.Dense(3)(inputs)))
    expect(model, sample(model), 1)


def test_a_model_without_weights():
    with pytest.raises(ValueError, match="not built"):
        kerasbn.fold_batch_norm(Net())
