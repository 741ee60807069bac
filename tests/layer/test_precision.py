"""Half precision at the borders of the layer, float32 inside."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from . import reference
from .helpers import BACKEND, call, statistics, train

rng = np.random.default_rng(0)
HALF = {"float16": 2e-3, "bfloat16": 2e-2}


@pytest.mark.parametrize("policy", [*HALF, *(f"mixed_{name}" for name in HALF)])
@pytest.mark.parametrize("axis", [-1, [1, 2]], ids=str)
def test_half_precision_in_and_out_with_float32_statistics(policy, axis):
    x = rng.normal(2, 3, (64, 4, 4, 3)).astype("float16").astype("float32")
    layer = BatchNormalization(axis, dtype=policy, zero_debias=True)
    y = call(layer, x, training=True)
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(y.dtype) == half
    for variable in (layer.moving_mean, layer.moving_variance, layer.moving_weight.w):
        assert variable.dtype == "float32"
    assert layer.gamma.dtype == ("float32" if policy.startswith("mixed") else half)
    axes = [3] if axis == -1 else axis
    moments = reference.moments(x, axes)
    expected = reference.normalize(x, axes, *moments, 1, 0)
    np.testing.assert_allclose(y.astype("float64"), expected, atol=8 * HALF[half])
    for actual, batch in zip(statistics(layer), moments, strict=True):
        np.testing.assert_allclose(actual, batch, rtol=HALF[half], atol=HALF[half])


def test_float16_inputs_do_not_overflow():
    x = rng.uniform(-60_000, 60_000, (64, 3)).astype("float16")
    layer = train(BatchNormalization(dtype="float16", zero_debias=True), x)
    expected = x.astype("float64").var(0)
    np.testing.assert_allclose(statistics(layer)[1], expected, rtol=1e-4)


@pytest.mark.parametrize("policy", HALF)
def test_statistics_do_not_stall_with_a_large_momentum(policy):
    """bfloat16(0.999) is 1, and steps below 1/2048 of a float16 are lost."""
    x = rng.normal(4, 3, (256, 2)).astype("float16").astype("float32")
    layer = BatchNormalization(momentum=0.999, dtype=policy)
    train(layer, *[x] * 300)
    share = 1 - 0.999**300
    np.testing.assert_allclose(
        statistics(layer)[0], share * x.mean(0, dtype="float64"), rtol=1e-2
    )


@pytest.mark.skipif(
    BACKEND != "tensorflow",
    reason="JAX has float64 switched off; keras.ops on PyTorch reduces in float32",
)
def test_float64_stays_float64():
    x = rng.normal(2, 3, (8, 4, 3))
    layer = BatchNormalization([1, 2], dtype="float64", zero_debias=True, momentum=0.7)
    y = call(layer, x, training=True)
    train(layer, x + 1)
    mean, variance = reference.moments(x, [1, 2])
    expected = reference.normalize(x, [1, 2], mean, variance, 1, 0)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    mean = reference.debiased_average([mean, mean + 1], 0.7)
    np.testing.assert_allclose(statistics(layer)[0], mean, rtol=1e-12)


def test_global_policy():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        layer = BatchNormalization(momentum=None)
    finally:
        keras.config.set_dtype_policy(before)
    y = train(layer, np.ones((4, 3), "float32")).compute_dtype
    assert y == "bfloat16"
    assert layer.moving_weight.w.dtype == layer.moving_mean.dtype == "float32"
