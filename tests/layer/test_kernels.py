"""Each kernel against the closed forms in float64, and which route it takes."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from kerasbn import BatchNormalization, kernels
from kerasbn.kernels import Normalization, generic
from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.layout import merged

from . import reference
from .helpers import BACKEND, array, call, gradients, statistics, train

rng = np.random.default_rng(0)
EPSILON = 1e-3
ROUNDING = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 4e-2}
# Above and below the size from which TensorFlow's fused operation is used.
SHAPES_AND_AXES = [
    ((7, 3), [1]),
    ((1, 3), [1]),
    ((9000, 8), [1]),
    ((64, 1100), [1]),
    ((65, 16, 64), [2]),
    ((65, 16, 64), [1]),
    ((65, 16, 64), [1, 2]),
    ((65, 16, 64), [0]),
    ((17, 8, 16, 32), [3]),
    ((17, 8, 16, 32), [1]),
    ((17, 8, 16, 32), [1, 3]),
    ((17, 8, 16, 32), [0, 2]),
    ((17, 8, 16, 32), [0, 1, 2, 3]),
    ((5, 4, 8, 16, 32), [4]),
    ((5, 4, 8, 16, 32), [1, 4]),
]


def data(shape, axes, mean=1.0):
    x = rng.normal(mean, 2, shape)
    gamma, beta = rng.uniform(0.5, 2, (2, *(shape[a] for a in axes)))
    return [t.astype("float32") for t in (x, gamma, beta)]


def tensors(*arrays):
    return [ops.convert_to_tensor(a) for a in arrays]


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("shape", "axes"), SHAPES_AND_AXES, ids=str)
def test_training_is_the_closed_form(shape, axes, dtype):
    x, gamma, beta = data(shape, axes)
    x = array(ops.cast(ops.cast(x, dtype), "float32"))
    in_dtype = ops.cast(x, dtype)
    y, mean, variance, counted = kernels.active.normalize_batch(
        in_dtype, Normalization(tuple(axes), EPSILON, *tensors(gamma, beta))
    )
    moments = reference.moments(x, axes)
    expected = reference.normalize(x, axes, *moments, gamma, beta)
    assert counted is None
    assert y.dtype == in_dtype.dtype
    np.testing.assert_allclose(
        array(ops.cast(y, "float32")), expected, rtol=ROUNDING[dtype], atol=5e-4
    )
    for found, true in zip((mean, variance), moments, strict=True):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_allclose(array(found), true, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("shape", "axes"), SHAPES_AND_AXES, ids=str)
def test_inference_is_the_closed_form(shape, axes, dtype):
    x, gamma, beta = data(shape, axes)
    x = array(ops.cast(ops.cast(x, dtype), "float32"))
    mean, variance = beta - 0.5, gamma * 3
    y = kernels.active.normalize(
        ops.cast(x, dtype),
        *tensors(mean, variance),
        Normalization(tuple(axes), EPSILON, *tensors(gamma, beta)),
    )
    expected = reference.normalize(x, axes, mean, variance, gamma, beta)
    np.testing.assert_allclose(
        array(ops.cast(y, "float32")), expected, rtol=ROUNDING[dtype], atol=1e-4
    )


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes"), [((17, 8, 16, 32), [3]), ((7, 4), [1]), ((65, 16, 64), [1])]
)
def test_without_gamma_and_beta(shape, axes, center, scale):
    x, gamma, beta = data(shape, axes)
    affine = tensors(gamma)[0] if scale else None, tensors(beta)[0] if center else None
    [x_in] = tensors(x)
    how = Normalization(tuple(axes), EPSILON, *affine)
    for mine, theirs in zip(
        kernels.active.normalize_batch(x_in, how)[:3],
        generic.normalize_batch(x_in, how)[:3],
        strict=True,
    ):
        np.testing.assert_allclose(array(mine), array(theirs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize(("shape", "axes"), SHAPES_AND_AXES, ids=str)
def test_gradients_are_the_closed_form(shape, axes, mean):
    if shape[0] == 1 or len(axes) == len(shape):
        pytest.skip("one position: all gradients by x are 0 but for rounding")
    x, _, _ = data(shape, axes, mean)
    layer = BatchNormalization(axes)
    layer.build(x.shape)
    upstream = rng.normal(size=shape).astype("float32")
    gamma = np.ones([shape[a] for a in axes])
    expected = reference.gradients(x, axes, upstream, gamma)
    found = gradients(layer, x, upstream)
    for actual, closed_form in zip(found, expected, strict=True):
        np.testing.assert_allclose(actual, closed_form, rtol=2e-3, atol=2e-3)


SECOND_ORDER = [
    ((17, 8, 16, 32), [3], 0.0),
    ((17, 8, 16, 32), [3], 1e4),
    ((17, 8, 16, 32), [1], 0.0),
    ((17, 8, 16, 32), [1, 3], 0.0),
    ((9000, 8), [1], 0.0),
    ((9, 4, 3), [2], 0.0),
]


@pytest.mark.parametrize(("shape", "axes", "mean"), SECOND_ORDER, ids=str)
def test_second_gradients_are_differences_of_the_first(shape, axes, mean):
    """Of f = sum(upstream * y): the gradient of |df/dx|^2 / 2 along a direction."""
    x, _, _ = data(shape, axes, mean)
    upstream, direction = rng.normal(size=(2, *shape)).astype("float32")
    layer = BatchNormalization(axes)
    layer.build(shape)
    gamma = np.ones([shape[a] for a in axes])

    def penalty(step):
        moved = x.astype("float64") + step * direction
        return np.square(reference.gradients(moved, axes, upstream, gamma)[0]).sum() / 2

    step = 1e-4
    expected = (penalty(step) - penalty(-step)) / (2 * step)
    found = _SECOND[BACKEND](layer, x, upstream)
    along = (found.astype("float64") * direction).sum()
    scale = np.abs(found * direction).sum()
    assert abs(along - expected) < 2e-3 * scale


def _second_tensorflow(layer, x, upstream):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            f = tf.reduce_sum(layer(x, training=True) * upstream)
        penalty = tf.reduce_sum(tf.square(inner.gradient(f, x))) / 2
    return array(outer.gradient(penalty, x))


def _second_jax(layer, x, upstream):
    import jax

    weights = [[v.value for v in group] for group in _variables(layer)]

    def f(x):
        y, _ = layer.stateless_call(*weights, x, training=True)
        return (y * upstream).sum()

    def penalty(x):
        return (jax.grad(f)(x) ** 2).sum() / 2

    return array(jax.grad(penalty)(x))


def _second_torch(layer, x, upstream):
    import torch

    x = torch.tensor(x, requires_grad=True)
    f = (layer(x, training=True) * torch.tensor(upstream)).sum()
    [by_x] = torch.autograd.grad(f, x, create_graph=True)
    return array(torch.autograd.grad(by_x.square().sum() / 2, x)[0])


def _variables(layer):
    return layer.trainable_variables, layer.non_trainable_variables


_SECOND = {
    "tensorflow": _second_tensorflow,
    "jax": _second_jax,
    "torch": _second_torch,
}


@pytest.mark.parametrize(
    ("rows", "mean", "tolerance"),
    [(200_000, 1e4, 1e-4), (200_000, 100, 1e-4), (800_000, 1000, 5e-4), (9000, 1e5, 1)],
)
def test_moments_survive_a_mean_far_above_the_deviation(rows, mean, tolerance):
    """Stock at mean 1e4 and 200 000 rows: 4e-3 on TensorFlow, 15 on PyTorch."""
    x = rng.normal(mean, 1, (rows, 8)).astype("float32")
    x[:, 0] -= np.float32(mean)  # A channel that needs nothing of it.
    layer = train(BatchNormalization(momentum=None), x)
    expected = reference.moments(x, [1])
    np.testing.assert_allclose(
        statistics(layer)[0], expected[0], rtol=3e-7, atol=tolerance
    )
    np.testing.assert_allclose(statistics(layer)[1], expected[1], rtol=tolerance)
    if mean <= 1e4:
        y = reference.normalize(x, [1], *expected, 1, 0)
        np.testing.assert_allclose(call(layer, x, training=True), y, atol=4e-3)


@pytest.mark.parametrize("how", ["eager", "graph", "compiled"])
def test_variance_is_as_accurate_as_that_of_the_best_stock(how):
    """Stock: 2e-3 on TensorFlow, 1e-2 when compiled, 1.3e-6 on JAX, 17 on PyTorch."""
    x = np.random.default_rng(0).normal(1e4, 1, (200_000, 8)).astype("float32")
    layer = BatchNormalization(momentum=0.5)
    layer.build(x.shape)
    _RUN[BACKEND](layer, x, how)
    mean, variance = (t.astype("float64") for t in statistics(layer))
    expected = reference.moments(x, [1])
    np.testing.assert_allclose(2 * mean, expected[0], rtol=2e-7)
    np.testing.assert_allclose(2 * variance - 1, expected[1], rtol=2e-6)


def _run_tensorflow(layer, x, how):
    import tensorflow as tf

    step = functools.partial(layer, training=True)
    if how != "eager":
        step = tf.function(step, jit_compile=how == "compiled", autograph=False)
    step(tf.constant(x))


def _run_jax(layer, x, how):
    import jax

    def step(x):
        weights = [[v.value for v in group] for group in _variables(layer)]
        return layer.stateless_call(*weights, x, training=True)[1]

    state = (step if how == "eager" else jax.jit(step))(x)
    for variable, value in zip(layer.non_trainable_variables, state, strict=True):
        variable.assign(value)


def _run_torch(layer, x, how):
    import torch

    layer(torch.tensor(x), training=True)


_RUN = {"tensorflow": _run_tensorflow, "jax": _run_jax, "torch": _run_torch}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_far_above_the_deviation(dtype):
    x = array(ops.cast(ops.cast(rng.normal(100, 1, (40_000, 8)), dtype), "float32"))
    layer = BatchNormalization(momentum=None, dtype=f"mixed_{dtype}")
    train(layer, x)
    expected = reference.moments(x, [1])
    np.testing.assert_allclose(statistics(layer)[1], expected[1], rtol=1e-4)


def test_inaccuracy_is_known_from_what_was_found():
    """Whether the error swamps the variance or not, one of the two is seen."""
    error = np.float32(1e4) * 200 * np.float32(2**-25)  # Of the mean of 200 rows.
    assert is_inaccurate(np.float32(1e4), 1 + error**2, EPSILON)
    assert is_inaccurate(np.float32(1e4), np.float32(1), EPSILON)
    assert not is_inaccurate(np.float32(7), np.float32(1), EPSILON)
    assert not is_inaccurate(np.float32(0), np.float32(0), EPSILON)


@pytest.mark.parametrize("channels", [4, 20_000])
def test_one_position_has_no_variance(channels):
    x = rng.normal(2, 1, (1, channels)).astype("float32")
    layer = BatchNormalization(momentum=None)
    y = call(layer, x, training=True)
    np.testing.assert_allclose(y, 0, atol=1e-5)
    np.testing.assert_allclose(statistics(layer)[0], x[0])
    np.testing.assert_array_equal(statistics(layer)[1], 0)


@pytest.mark.parametrize("channels", [4, 20_000])
def test_empty_batch_has_no_gradients(channels):
    layer = BatchNormalization()
    layer.build((None, channels))
    x = np.zeros((0, channels), "float32")
    found = gradients(layer, x, x)
    assert found[0].shape == x.shape
    assert not any(g.any() for g in found)


@pytest.mark.parametrize("rows", [10, 20_000])
def test_not_a_number_stays_in_its_channel(rows):
    x = rng.normal(2, 1, (rows, 4)).astype("float32")
    x[3, 1] = np.nan
    layer = BatchNormalization()
    y = call(layer, x, training=True)
    assert np.isnan(y[:, 1]).all()
    assert np.isfinite(y[:, [0, 2, 3]]).all()
    np.testing.assert_array_equal(np.isnan(statistics(layer)[0]), [0, 1, 0, 0])


@pytest.mark.parametrize(
    ("shape", "kept", "expected"),
    [
        ((2, 3, 4, 5), (3,), ((24, 5), (1,))),
        ((2, 3, 4, 5), (1,), ((2, 3, 20), (1,))),
        ((2, 3, 4, 5), (1, 3), ((2, 3, 4, 5), (1, 3))),
        ((2, 3, 4), (1, 2), ((2, 12), (1,))),
        ((2, 3, 4), (0, 1, 2), ((24,), (0,))),
    ],
)
def test_neighbours_of_one_kind_become_one(shape, kept, expected):
    assert merged(shape, kept) == expected


def test_float16_policy_converges():
    """2000 steps; stock stalls, as its statistics are float16 too."""
    x = rng.normal(3, 2.9, (64, 4)).astype("float16")
    layer = BatchNormalization(momentum=0.999, zero_debias=True, dtype="float16")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    tiled = np.tile(x, (100, 1))
    model.fit(tiled, tiled, batch_size=64, epochs=20, shuffle=False, verbose=0)
    expected = reference.moments(x, [1])
    for found, true in zip(statistics(layer), expected, strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-3)
