"""Statistics and outputs of many rows have the digits of those of few."""

import numpy as np
import pytest
from keras import ops

from kerasbn import BatchNormalization

from . import reference
from .helpers import array, call, statistics

rng = np.random.default_rng(0)
# Rows that are and are not made of equal groups; channels last, first and apart.
LAYOUTS = [
    ((2**13, 16), -1),
    ((2**16 + 3, 8), -1),
    ((2**19, 2), -1),
    ((8, 100, 150, 4), -1),
    ((8, 4, 128, 128), 1),
    ((5, 8, 64, 50, 3), [1, 4]),
]


@pytest.mark.parametrize("ratio", [0, 3, 1e5])
@pytest.mark.parametrize(("shape", "axis"), LAYOUTS, ids=str)
def test_digits(shape, axis, ratio):
    axes = sorted(a % len(shape) for a in ([axis] if isinstance(axis, int) else axis))
    x = rng.standard_normal(shape, dtype="float32") + np.float32(ratio)
    layer = BatchNormalization(axis, momentum=0.0)
    y = call(layer, x, training=True)
    mean, variance = reference.moments(x, axes)
    np.testing.assert_allclose(statistics(layer)[1], variance, rtol=1e-6)
    expected = reference.normalize(x, axes, mean, variance, 1, 0)
    np.testing.assert_allclose(y, expected, atol=5e-6)


@pytest.mark.parametrize("ratio", [0, 3, 100])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_digits_in_half_precision(dtype, ratio):
    """Of the values as they are in half precision."""
    x = rng.standard_normal((2**16 + 3, 8), dtype="float32") + np.float32(ratio)
    x = ops.cast(ops.convert_to_tensor(x), dtype)
    layer = BatchNormalization(momentum=0.0, dtype=f"mixed_{dtype}")
    layer(x, training=True)
    mean, variance = reference.moments(array(ops.cast(x, "float32")), [1])
    np.testing.assert_allclose(statistics(layer)[0], mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(statistics(layer)[1], variance, rtol=1e-6)


@pytest.mark.parametrize("rows", [512, 1024, 4096])
def test_digits_of_few_rows_far_from_zero(rows):
    layer = BatchNormalization(momentum=0.0)
    for _ in range(8):
        x = rng.standard_normal((rows, 2**15 // rows), dtype="float32") + np.float32(
            1e5
        )
        y = call(layer, x, training=True)
        mean, variance = reference.moments(x, [1])
        np.testing.assert_allclose(statistics(layer)[1], variance, rtol=1e-6)
        expected = reference.normalize(x, [1], mean, variance, 1, 0)
        np.testing.assert_allclose(y, expected, atol=5e-6)


KINDS = {
    "as drawn": lambda x: x,
    "behind a ReLU": lambda x: np.maximum(x, 0),
    "two values": lambda x: np.where(x > 0, np.float32(3.3), np.float32(0)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [64, 144, 576, 1024])
def test_digits_of_few_rows_with_equal_values(rows, kind):
    """As sums are in float32, equal values are all rounded to the same side."""
    x = KINDS[kind](rng.standard_normal((rows, 1024), dtype="float32"))
    layer = BatchNormalization(momentum=0.0)
    y = call(layer, x, training=True)
    mean, variance = reference.moments(x, [1])
    np.testing.assert_allclose(statistics(layer)[1], variance, rtol=1.1e-6)
    expected = reference.normalize(x, [1], mean, variance, 1, 0)
    np.testing.assert_allclose(y, expected, atol=5e-6)


@pytest.mark.parametrize(("shape", "axis"), LAYOUTS, ids=str)
def test_digits_with_a_mask(shape, axis):
    axes = sorted(a % len(shape) for a in ([axis] if isinstance(axis, int) else axis))
    x = rng.standard_normal(shape, dtype="float32") + np.float32(3)
    mask = rng.random(shape[:-1]) < 0.7
    layer = BatchNormalization(axis, momentum=0.0)
    call(layer, x, training=True, mask=mask)
    _, variance, _ = reference.masked_moments(x, axes, mask)
    np.testing.assert_allclose(statistics(layer)[1], variance, rtol=1e-6)


def test_an_infinite_variance_is_no_nan():
    """As stock: momentum 0 leaves nothing of the old one."""
    x = np.float32([[1e30], [-1e30]])
    for layer in (
        BatchNormalization(momentum=0.0),
        BatchNormalization(momentum=0.0, zero_debias=True),
    ):
        call(layer, x, training=True)
        assert statistics(layer)[1] == np.inf
