"""Constants that differ from place to place take a part of the map in."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest

import kerasbn
from kerasbn.folding.proof.float64 import float64_arithmetic

from .models import L, outputs, randomise, sample

ops = keras.ops
BY_PLACE = np.random.default_rng(0).normal(size=(1, 8, 8, 4))
MASK = (BY_PLACE > 0).astype("float64")


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    with float64_arithmetic():
        yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def folded(model, folds, *, zero_gamma=True):
    """Fold in float64 without our own proof, and compare."""
    randomise(model)
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization) and layer.scale and not zero_gamma:
            layer.gamma.assign(np.linspace(-1, 0.7, layer.gamma.shape[0]))
    result = kerasbn.fold_batch_norm(model, verify=False)
    x = sample(model)
    for expected, received in zip(
        outputs(model, x), outputs(result.model, x), strict=True
    ):
        np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-11)
    assert len(result.folded) == folds, result.kept
    return result


def image():
    return keras.Input((8, 8, 3))


def conv(x):
    return L.Conv2D(4, 3, padding="same", name="c")(x)


BACKWARD = {
    "added": lambda x: conv(x) + BY_PLACE,
    "added without the batch": lambda x: conv(x) + BY_PLACE[0],
    "added, an operator": lambda x: ops.add(BY_PLACE, conv(x)),
    "added by keyword": lambda x: ops.add(x1=conv(x), x2=BY_PLACE),
    "added, a tensor": lambda x: conv(x) + ops.convert_to_tensor(BY_PLACE),
    "added, a layer": lambda x: L.Add()([conv(x), BY_PLACE]),
    "subtracted": lambda x: conv(x) - BY_PLACE,
    "subtracted, a layer": lambda x: L.Subtract()([conv(x), BY_PLACE]),
    "subtracted from": lambda x: ops.subtract(BY_PLACE, conv(x)),
    "integers": lambda x: conv(x) + np.arange(256).reshape(1, 8, 8, 4),
    "rows": lambda x: conv(x) + BY_PLACE[:, :, :1],
    "several": lambda x: 2 - (conv(x) + BY_PLACE - BY_PLACE[:, ::-1]),
    "a mask before": lambda x: conv(x) * MASK + BY_PLACE,
    "a mask before, a layer": lambda x: L.Multiply()([conv(x), MASK]) + 1.5,
    "padding before": lambda x: L.ZeroPadding2D()(L.Conv2D(4, 3)(x)) + BY_PLACE,
    "stretching": lambda x: L.GlobalAveragePooling2D(keepdims=True)(conv(x)) + BY_PLACE,
    "depthwise": lambda x: L.DepthwiseConv2D(3, padding="same")(x) + BY_PLACE[..., :3],
    "transposed": lambda x: L.Conv2DTranspose(4, 3, padding="same")(x) + BY_PLACE,
}


@pytest.mark.parametrize("form", BACKWARD)
def test_behind_a_linear_layer(form, float64):
    inputs = image()
    x = L.BatchNormalization()(BACKWARD[form](inputs))
    folded(keras.Model(inputs, L.ReLU()(x)), 1)


@pytest.mark.parametrize(
    "join",
    [
        lambda x: x + BY_PLACE[..., :3],
        lambda x: x - BY_PLACE[..., :3],
        lambda x: ops.subtract(BY_PLACE[..., :3], x),
    ],
)
def test_before_a_convolution_that_pads(join, float64):
    """The constant takes the whole shift, so that the padding meets none."""
    inputs = image()
    x = conv(join(L.BatchNormalization()(inputs)))
    model = keras.Model(inputs, L.ReLU()(x))
    assert folded(model, 1, zero_gamma=False).folded[0]["route"] == "forward"


def test_a_gamma_of_zero_before_a_constant(float64):
    inputs = image()
    x = conv(L.BatchNormalization()(inputs) + BY_PLACE[..., :3])
    (kept,) = folded(keras.Model(inputs, L.ReLU()(x)), 0).kept
    assert "values that a gamma of the BN makes 0" in kept["reason"]


def test_one_after_the_other(float64):
    """The second BN finds the constants as the first has left them."""
    inputs = image()
    x = L.BatchNormalization()(conv(inputs) + BY_PLACE) - BY_PLACE
    folded(keras.Model(inputs, L.ReLU()(L.BatchNormalization()(x))), 2)


def test_in_a_nested_model_that_is_called_twice(float64):
    inner_in = image()
    inner = keras.Model(inner_in, conv(inner_in) + BY_PLACE, name="inner")
    batch_norm = L.BatchNormalization()
    inputs = [image(), image()]
    model = keras.Model(inputs, [L.ReLU()(batch_norm(inner(x))) for x in inputs])
    folded(model, 1)


def test_a_nested_model_that_is_called_elsewhere(float64):
    inner_in = image()
    inner = keras.Model(inner_in, conv(inner_in) + BY_PLACE, name="inner")
    inputs = [image(), image()]
    one, other = map(inner, inputs)
    model = keras.Model(inputs, [L.ReLU()(L.BatchNormalization()(one)), other])
    (kept,) = folded(model, 0).kept
    assert "is called 2 times" in kept["reason"]


def test_siblings_behind_a_constant(float64):
    inputs = image()
    x = conv(inputs) + BY_PLACE
    model = keras.Model(inputs, [L.ReLU()(L.BatchNormalization()(x)) for _ in "ab"])
    folded(model, 1, zero_gamma=False)


def test_a_mask_that_would_need_a_bias_by_place(float64):
    inputs = image()
    x = L.BatchNormalization()(conv(inputs) * np.abs(BY_PLACE))
    (kept,) = folded(keras.Model(inputs, L.ReLU()(x)), 0).kept
    assert "`c` would need a bias that differs from place to place" in kept["reason"]


def test_channels_that_the_constant_makes(float64):
    inputs = image()
    x = L.BatchNormalization()(L.Conv2D(1, 1)(inputs) + BY_PLACE)
    (kept,) = folded(keras.Model(inputs, L.ReLU()(x)), 0).kept
    assert "stretches its input along an axis of the BN" in kept["reason"]


@pytest.mark.parametrize(
    "join",
    [
        lambda x, c: ops.concatenate([x, ops.repeat(c, 1, axis=0)], axis=1),
        lambda x, c: L.Maximum()([x, c]),
        lambda x, c: L.Average()([x, c]),
    ],
)
def test_other_layers_that_join_a_constant(join, float64):
    """It is not forgotten, although it is no input of theirs."""
    inputs = keras.Input((8, 8, 3), batch_size=1)
    x = L.BatchNormalization()(join(conv(inputs), ops.convert_to_tensor(BY_PLACE)))
    model = randomise(keras.Model(inputs, L.ReLU()(x)))
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.gamma.assign(np.ones(4))  # So that a maximum is no obstacle.
    (kept,) = kerasbn.fold_batch_norm(model, verify=False).kept
    assert "combines its inputs with a constant" in kept["reason"]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_files(policy, tmp_path):
    """The constant keeps its dtype, and the file proves equal."""
    keras.config.set_dtype_policy(policy)
    try:
        inputs = image()
        x = L.BatchNormalization(name="bn")(conv(inputs) + BY_PLACE.astype("float32"))
        model = randomise(keras.Model(inputs, L.ReLU(name="end")(x)))
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "in.keras")
    result = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert [entry["layer"] for entry in result.folded] == ["bn"]
    assert result.verified
    with zipfile.ZipFile(tmp_path / "out.keras") as file:
        layers = json.loads(file.read("config.json"))["config"]["layers"]
    (add,) = (layer for layer in layers if layer["class_name"] == "Add")
    constant = add["inbound_nodes"][0]["args"][1]
    assert constant["config"]["dtype"] == "float32"


def test_half_precision_that_cannot_hold_the_constant(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = image()
        x = L.BatchNormalization()(conv(inputs) + BY_PLACE.astype("float16") * 1e4)
        model = randomise(keras.Model(inputs, L.ReLU()(x)))
    finally:
        keras.config.set_dtype_policy("float32")
    model.layers[-2].moving_variance.assign(np.full(4, 1e-4))
    (kept,) = kerasbn.fold_batch_norm(model, verify=False).kept
    assert "would get a constant too large for float16" in kept["reason"]
