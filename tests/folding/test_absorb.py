"""Every class that absorbs BN computes the same afterwards, in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasbn
from kerasbn.folding.proof.float64 import float64_arithmetic

from .models import L, outputs, randomise, sample

# class, its arguments, the shape of its input, the axis of BN.
CASES = [
    (L.Dense, {"units": 4}, (3,), -1),
    (L.Dense, {"units": 4, "use_bias": False}, (5, 3), -1),
    (L.Dense, {"units": 4}, (5, 2, 3), 3),
    (L.EinsumDense, {"equation": "ab,bc->ac", "output_shape": 4}, (3,), -1),
    (
        L.EinsumDense,
        {"equation": "abc,cd->abd", "output_shape": (None, 4), "bias_axes": "d"},
        (5, 3),
        -1,
    ),
    (
        L.EinsumDense,
        {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"},
        (5, 2, 3),
        -1,
    ),
    (
        L.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (5, 4, 2), "bias_axes": "de"},
        (5, 3),
        -1,
    ),
    (
        L.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (5, 4, 2), "bias_axes": "e"},
        (5, 3),
        2,
    ),
    (
        L.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (5, 4, 2), "bias_axes": "b"},
        (5, 3),
        [2, 3],
    ),
    (
        L.EinsumDense,
        {"equation": "abc,cde->abed", "output_shape": (5, 2, 4)},
        (5, 3),
        [2, 3],
    ),
    (L.Conv1D, {"filters": 4, "kernel_size": 3}, (9, 3), -1),
    (L.Conv1D, {"filters": 4, "kernel_size": 3, "padding": "causal"}, (9, 3), 2),
    (
        L.Conv1D,
        {"filters": 4, "kernel_size": 2, "groups": 2, "dilation_rate": 2},
        (9, 6),
        -1,
    ),
    (L.Conv2D, {"filters": 4, "kernel_size": 3, "padding": "same"}, (7, 6, 3), -1),
    (L.Conv2D, {"filters": 4, "kernel_size": 3, "strides": 2}, (7, 6, 3), 3),
    (
        L.Conv2D,
        {"filters": 6, "kernel_size": (3, 2), "groups": 3, "use_bias": False},
        (7, 6, 3),
        [3],
    ),
    (L.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 2}, (9, 8, 3), -1),
    (L.Conv3D, {"filters": 4, "kernel_size": 2}, (4, 5, 3, 2), -1),
    (L.DepthwiseConv1D, {"kernel_size": 3, "depth_multiplier": 2}, (8, 3), -1),
    (L.DepthwiseConv2D, {"kernel_size": 3}, (7, 6, 3), -1),
    (L.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 3}, (7, 6, 2), -1),
    (
        L.SeparableConv1D,
        {"filters": 4, "kernel_size": 3, "depth_multiplier": 2},
        (8, 3),
        -1,
    ),
    (L.SeparableConv2D, {"filters": 4, "kernel_size": 3}, (7, 6, 3), -1),
    (L.Conv1DTranspose, {"filters": 4, "kernel_size": 3, "strides": 2}, (5, 3), -1),
    (L.Conv2DTranspose, {"filters": 4, "kernel_size": 3}, (5, 4, 3), -1),
    (L.Conv2DTranspose, {"filters": 5, "kernel_size": 2, "strides": 2}, (5, 4, 3), 3),
    (L.Conv3DTranspose, {"filters": 4, "kernel_size": 2}, (3, 4, 2, 3), -1),
]

CHANNELS_FIRST = [
    (L.Conv1D, {"filters": 4, "kernel_size": 3}, (3, 9)),
    (L.Conv2D, {"filters": 4, "kernel_size": 3, "padding": "same"}, (3, 7, 6)),
    (L.Conv3D, {"filters": 4, "kernel_size": 2}, (3, 4, 5, 3)),
    (L.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 2}, (3, 7, 6)),
    (L.SeparableConv2D, {"filters": 4, "kernel_size": 3}, (3, 7, 6)),
    (L.Conv2DTranspose, {"filters": 4, "kernel_size": 3, "strides": 2}, (3, 5, 4)),
]


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_dtype_policy("float64")
    with float64_arithmetic():
        yield
    keras.config.set_dtype_policy("float32")


def _fold_and_compare(cls, arguments, shape, axis, batch_norm):
    inputs = keras.Input(shape)
    x = cls(name="linear", **arguments)(inputs)
    model = keras.Model(inputs, batch_norm(axis=axis, name="bn")(x))
    randomise(model)

    result = kerasbn.fold_batch_norm(model)

    assert result.folded == [{"layer": "bn", "into": ["linear"], "route": "backward"}]
    x = sample(model)
    (expected,), (received,) = outputs(model, x), outputs(result.model, x)
    np.testing.assert_allclose(received, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("cls", "arguments", "shape", "axis"), CASES)
def test_folded_equals_original(cls, arguments, shape, axis):
    stock = L.BatchNormalization
    ours = kerasbn.BatchNormalization
    batch_norm = ours if isinstance(axis, list) else stock
    _fold_and_compare(cls, arguments, shape, axis, batch_norm)


# class, its arguments, the shape of its input, the axis of BN before it. With padding,
# or where kernels overlap, only a BN without a shift goes.
BEFORE = [
    (L.Dense, {"units": 4}, (3,), -1, True),
    (L.Dense, {"units": 4, "use_bias": False}, (5, 3), -1, True),
    (L.Dense, {"units": 4, "activation": "tanh"}, (5, 2, 3), 3, True),
    (L.EinsumDense, {"equation": "ab,bc->ac", "output_shape": 4}, (3,), -1, True),
    (
        L.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (5, 4, 2), "bias_axes": "e"},
        (5, 3),
        -1,
        True,
    ),
    (
        L.EinsumDense,
        {"equation": "abc,cbd->ad", "output_shape": 4},
        (5, 3),
        [1, 2],
        True,
    ),
    (
        L.EinsumDense,
        {"equation": "abc,bcd->abd", "output_shape": (5, 4), "bias_axes": "d"},
        (5, 3),
        1,
        True,
    ),
    (
        L.EinsumDense,
        {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"},
        (5, 2, 3),
        -1,
        True,
    ),
    (L.Conv1D, {"filters": 4, "kernel_size": 3}, (9, 3), -1, True),
    (L.Conv1D, {"filters": 4, "kernel_size": 3, "padding": "causal"}, (9, 3), 2, False),
    (
        L.Conv2D,
        {"filters": 4, "kernel_size": 3, "activation": "relu"},
        (7, 6, 3),
        -1,
        True,
    ),
    (
        L.Conv2D,
        {"filters": 4, "kernel_size": 3, "padding": "same"},
        (7, 6, 3),
        3,
        False,
    ),
    (
        L.Conv2D,
        {"filters": 4, "kernel_size": 1, "padding": "same", "strides": 2},
        (7, 6, 3),
        -1,
        True,
    ),
    (L.Conv2D, {"filters": 6, "kernel_size": (3, 2), "groups": 3}, (7, 6, 6), -1, True),
    (
        L.Conv2D,
        {"filters": 4, "kernel_size": 3, "dilation_rate": 2},
        (9, 8, 3),
        3,
        True,
    ),
    (L.Conv3D, {"filters": 4, "kernel_size": 2, "strides": 2}, (4, 5, 3, 2), -1, True),
    (L.DepthwiseConv1D, {"kernel_size": 3, "depth_multiplier": 2}, (8, 3), -1, True),
    (L.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 3}, (7, 6, 2), -1, True),
    (L.DepthwiseConv2D, {"kernel_size": 3, "padding": "same"}, (7, 6, 2), -1, False),
    (
        L.SeparableConv1D,
        {"filters": 4, "kernel_size": 3, "depth_multiplier": 2},
        (8, 3),
        -1,
        True,
    ),
    (L.SeparableConv2D, {"filters": 4, "kernel_size": 3}, (7, 6, 3), -1, True),
    (
        L.SeparableConv2D,
        {"filters": 4, "kernel_size": 3, "padding": "same"},
        (7, 6, 3),
        -1,
        False,
    ),
    (
        L.Conv1DTranspose,
        {"filters": 4, "kernel_size": 3, "strides": 2},
        (5, 3),
        -1,
        False,
    ),
    (L.Conv2DTranspose, {"filters": 4, "kernel_size": 3}, (5, 4, 3), -1, False),
    (L.Conv2DTranspose, {"filters": 4, "kernel_size": 1}, (5, 4, 3), -1, True),
    (L.Conv3DTranspose, {"filters": 4, "kernel_size": 1}, (3, 4, 2, 3), -1, True),
]


@pytest.mark.parametrize(("cls", "arguments", "shape", "axis", "shift"), BEFORE)
def test_folded_forward_equals_original(cls, arguments, shape, axis, shift):
    inputs = keras.Input(shape)
    batch_norm = kerasbn.BatchNormalization(axis=axis, name="bn")
    model = keras.Model(inputs, cls(name="linear", **arguments)(batch_norm(inputs)))
    randomise(model)
    if not shift:
        scale = batch_norm.gamma / np.sqrt(batch_norm.moving_variance + 1e-3)
        batch_norm.beta.assign(batch_norm.moving_mean * scale)

    result = kerasbn.fold_batch_norm(model)

    assert result.folded == [{"layer": "bn", "into": ["linear"], "route": "forward"}]
    x = sample(model)
    (expected,), (received,) = outputs(model, x), outputs(result.model, x)
    np.testing.assert_allclose(received, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow's CPU kernels take channels last only",
)
@pytest.mark.parametrize(("cls", "arguments", "shape"), CHANNELS_FIRST)
def test_channels_first(cls, arguments, shape):
    arguments = {**arguments, "data_format": "channels_first"}
    _fold_and_compare(cls, arguments, shape, 1, L.BatchNormalization)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"zero_debias": True}, {"momentum": None}, {"renorm": True}],
    ids=str,
)
def test_options_of_batch_norm(scale, center, options):
    def batch_norm(**kwargs):
        return kerasbn.BatchNormalization(
            scale=scale, center=center, epsilon=1e-2, **options, **kwargs
        )

    _fold_and_compare(
        L.Conv2D, {"filters": 4, "kernel_size": 2}, (5, 4, 3), -1, batch_norm
    )


def test_the_formula_in_closed_form():
    """Dense then BN, against the formula written out in NumPy."""
    model = keras.Sequential(
        [keras.Input((2,)), L.Dense(3, name="d"), L.BatchNormalization(epsilon=0.5)]
    )
    randomise(model)
    dense, bn = model.layers
    kernel, bias = (np.asarray(v) for v in dense.get_weights())
    gamma, beta, mean, variance = bn.get_weights()
    scale = gamma / np.sqrt(variance + 0.5)

    folded = kerasbn.fold_batch_norm(model).model.get_layer("d")

    new_kernel, new_bias = folded.get_weights()
    np.testing.assert_allclose(new_kernel, kernel * scale, rtol=1e-14)
    np.testing.assert_allclose(new_bias, (bias - mean) * scale + beta, rtol=1e-13)
