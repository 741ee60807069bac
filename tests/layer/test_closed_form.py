"""Output, gradients and statistics against the closed forms, for any set of axes."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from kerasbn import BatchNormalization

from . import reference
from .helpers import BACKEND, call, gradients, randomize, statistics, train, weight


@st.composite
def inputs_and_axes(draw):
    """A batch of rank 2 to 5 and a non-empty subset of its axes, some negative."""
    shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    rank = len(shape)
    axes = draw(st.sets(st.integers(0, rank - 1), min_size=1, max_size=rank))
    given = [
        a - rank if draw(st.booleans()) else a
        for a in draw(st.permutations(sorted(axes)))
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(rng.uniform(-3, 3), rng.uniform(0.5, 3), shape).astype("float32")
    return x, sorted(axes), given[0] if len(given) == 1 else given


# JAX compiles every operation anew for every shape.
few = settings(max_examples=5 if BACKEND == "jax" else 40, deadline=None)


def built(axis, x, **options):
    layer = BatchNormalization(axis=axis, **options)
    layer.build(x.shape)
    return randomize(layer)


@few
@given(inputs_and_axes())
def test_training_normalizes_with_the_batch(case):
    x, axes, axis = case
    layer = built(axis, x)
    gamma, beta, *_ = layer.get_weights()
    expected = reference.normalize(x, axes, *reference.moments(x, axes), gamma, beta)
    np.testing.assert_allclose(
        call(layer, x, training=True), expected, rtol=1e-4, atol=1e-4
    )


@few
@given(inputs_and_axes())
def test_inference_normalizes_with_the_running_statistics(case):
    x, axes, axis = case
    layer = built(axis, x)
    gamma, beta, mean, variance = before = layer.get_weights()
    expected = reference.normalize(x, axes, mean, variance, gamma, beta)
    np.testing.assert_allclose(call(layer, x), expected, rtol=1e-5, atol=1e-5)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@few
@given(inputs_and_axes())
def test_gradients(case):
    x, axes, axis = case
    layer = built(axis, x)
    upstream = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    expected = reference.gradients(x, axes, upstream, layer.get_weights()[0])
    for actual, closed_form in zip(
        gradients(layer, x, upstream), expected, strict=True
    ):
        # Where one element is reduced its gradient is exactly 0, times 1/sqrt(eps).
        np.testing.assert_allclose(actual, closed_form, rtol=1e-3, atol=2e-3)


@few
@given(inputs_and_axes(), st.sampled_from([0.0, 0.3, 0.9, 0.999]))
def test_running_statistics_move_towards_the_batch(case, momentum):
    x, axes, axis = case
    layer = built(axis, x, momentum=momentum)
    starts = statistics(layer)
    train(layer, x, x)
    for start, batch, actual in zip(
        starts, reference.moments(x, axes), statistics(layer), strict=True
    ):
        expected = reference.moving_average(start, [batch] * 2, momentum)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@few
@given(inputs_and_axes())
def test_zero_debiased_statistics_of_one_batch_are_the_batch(case):
    x, axes, axis = case
    layer = train(BatchNormalization(axis=axis, zero_debias=True), x)
    for actual, expected in zip(
        statistics(layer), reference.moments(x, axes), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weight(layer), 0.01, rtol=1e-6)


def test_every_pixel_on_its_own():
    x = np.random.default_rng(0).uniform(0, 255, (8, 28, 28)).astype("float32")
    layer = BatchNormalization(axis=[1, 2], zero_debias=True)
    y = call(layer, x, training=True)
    assert [w.shape for w in layer.get_weights()] == [(28, 28)] * 4
    np.testing.assert_allclose(y.mean(0), np.zeros((28, 28)), atol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[2], x.mean(0), rtol=1e-5)


@pytest.mark.parametrize("mean", [1e2, 1e4])
@pytest.mark.parametrize("axis", [-1, [1, 2]])
def test_variance_survives_a_mean_far_above_the_deviation(mean, axis):
    x = np.random.default_rng(0).normal(mean, 1, (256, 4, 4, 3)).astype("float32")
    layer = train(BatchNormalization(axis=axis, zero_debias=True), x)
    axes = [3] if axis == -1 else axis
    expected = reference.moments(x, axes)
    np.testing.assert_allclose(statistics(layer)[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(statistics(layer)[1], expected[1], rtol=1e-4)
    y = reference.normalize(x, axes, *expected, 1.0, 0.0)
    np.testing.assert_allclose(call(layer, x), y, atol=4e-3)
