"""The three running averages, as recurrences and in the layer."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization
from kerasbn.moving_average import advance, step

from . import reference
from .helpers import array, call, statistics, train, weight

rng = np.random.default_rng(0)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99, 0.9999])
def test_effective_momentum_over_ten_thousand_steps(momentum):
    """m_t = m (1 - m^(t-1)) / (1 - m^t), in float32 throughout."""
    w = np.zeros((), "float32")
    rates = []
    for _ in range(10_000):
        w, rate = advance(w, momentum)
        assert w.dtype == rate.dtype == np.float32
        rates.append(rate)
    t = np.arange(1, 10_001)
    exact = momentum * (1 - momentum ** (t - 1.0)) / (1 - momentum**t)
    np.testing.assert_allclose(1 - np.array(rates, "float64"), exact, atol=1e-6)
    assert rates[0] == 1


def test_cumulative_rates():
    w, rates = np.zeros((), "float32"), []
    for _ in range(1000):
        w, rate = advance(w, None)
        rates.append(rate)
    np.testing.assert_allclose(rates, 1 / np.arange(1, 1001), rtol=1e-7)


@pytest.mark.parametrize("momentum", [0.9, 0.99, None])
def test_statistic_over_many_steps(momentum):
    batches = rng.normal(100, 10, 500).astype("float32")
    statistic = keras.ops.zeros(())
    w = keras.ops.zeros(())
    for batch in batches:
        w, rate = advance(w, momentum)
        statistic = step(statistic, keras.ops.convert_to_tensor(batch), rate)
    expected = (
        batches.astype("float64").mean()
        if momentum is None
        else reference.debiased_average(batches.astype("float64"), momentum)
    )
    np.testing.assert_allclose(array(statistic), expected, rtol=2e-6)


@pytest.mark.parametrize("rate", [1.0, np.float32(1)])
def test_rate_of_one_takes_the_batch_to_the_last_bit(rate):
    tiny = keras.ops.convert_to_tensor(np.float32(1e-9))
    assert array(step(keras.ops.ones(()), tiny, rate)) == np.float32(1e-9)


@pytest.mark.parametrize("rate", [1e-4, 0.3, 0.7])
def test_statistic_at_rest_stays_to_the_last_bit(rate):
    value = rng.normal(size=100).astype("float32")
    tensor = keras.ops.convert_to_tensor(value)
    np.testing.assert_array_equal(array(step(tensor, tensor, rate)), value)


def batches(count, mean=5, std=2):
    return rng.normal(mean, std, (count, 256, 3)).astype("float32")


def test_zero_debias_makes_early_inference_right():
    data = batches(20)
    debiased = train(BatchNormalization(zero_debias=True), *data)
    plain = train(BatchNormalization(), *data)
    y = call(debiased, data.reshape(-1, 3))
    assert abs(y.mean()) < 0.05
    assert abs(y.std() - 1) < 0.05
    assert call(plain, data.reshape(-1, 3)).mean() > 3  # The bias it takes away.


def test_zero_debiased_statistics():
    data = batches(7)
    layer = train(BatchNormalization(momentum=0.9, zero_debias=True), *data)
    for actual, batch in zip(
        statistics(layer), (data.mean(1), data.var(1)), strict=True
    ):
        expected = reference.debiased_average(batch.astype("float64"), 0.9)
        np.testing.assert_allclose(actual, expected, rtol=1e-5)
    np.testing.assert_allclose(weight(layer), 1 - 0.9**7, rtol=1e-6)


def test_cumulative_statistics():
    data = batches(7)
    layer = train(BatchNormalization(momentum=None), *data)
    np.testing.assert_allclose(statistics(layer)[0], data.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(statistics(layer)[1], data.var(1).mean(0), rtol=1e-5)
    assert weight(layer) == 7


def test_momentum_may_change_on_the_way():
    data = batches(4)
    layer = BatchNormalization(momentum=0.9, zero_debias=True)
    train(layer, *data[:2])
    layer.momentum = 0.5
    train(layer, *data[2:])
    shares = np.array([0.9, 1, 0, 0]) * 0.1 * 0.25 + np.array([0, 0, 0.25, 0.5])
    expected = np.average(data.mean(1), axis=0, weights=shares)
    np.testing.assert_allclose(statistics(layer)[0], expected, rtol=1e-5)


def test_zero_debias_and_renorm_debias_the_inference_statistics_only():
    data = batches(3)
    options = {"momentum": 0.9, "renorm": True, "renorm_momentum": 0.8}
    plain = train(BatchNormalization(**options), *data)
    debiased = train(BatchNormalization(**options, zero_debias=True), *data)
    for name in ("renorm_mean", "renorm_stddev"):
        np.testing.assert_allclose(
            array(getattr(debiased, name)), array(getattr(plain, name)), rtol=1e-6
        )
    mean = reference.debiased_average(data.mean(1), 0.9)
    stddev = reference.debiased_average(np.sqrt(data.var(1) + 1e-3), 0.9)
    np.testing.assert_allclose(statistics(debiased)[0], mean, rtol=1e-5)
    np.testing.assert_allclose(statistics(debiased)[1], stddev**2 - 1e-3, rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{"zero_debias": True}, {"momentum": None}], ids=str
)
def test_frozen_layer_counts_nothing(options):
    layer = BatchNormalization(trainable=False, **options)
    data = batches(2)
    train(layer, *data)
    assert weight(layer) == 0
    np.testing.assert_array_equal(statistics(layer)[0], np.zeros(3))
    layer.trainable = True
    train(layer, data[0])
    np.testing.assert_allclose(statistics(layer)[0], data[0].mean(0), rtol=1e-5)


def test_the_weight_exists_only_where_it_is_needed():
    plain, debiased = BatchNormalization(), BatchNormalization(zero_debias=True)
    for layer in (plain, debiased):
        layer.build((None, 3))
    assert plain.moving_weight is None
    assert len(plain.variables) == len(plain.weights) == len(debiased.weights) == 4
    assert len(debiased.variables) == 5
    assert len(debiased.trainable_variables) == 2
