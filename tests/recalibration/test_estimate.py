"""The estimate against float64 NumPy over all samples at once."""

import keras
import numpy as np
import pytest

import kerasbn

from .models import LAYERS, array, check, samples, single


def recalibrate(*args, **kwargs):
    return kerasbn.recalibrate(*args, verbose=0, **kwargs)


@pytest.mark.every_backend
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("batch_size", [7, 32, 90])
def test_all_samples_are_pooled(layer, batch_size):
    model = single(layer())
    recalibrate(model, samples(), batch_size=batch_size)
    check(model.layers[0], samples())


def test_a_large_mean_does_not_cancel_the_variance():
    x = samples((2000, 4), mean=1e4, std=1.0)
    model = single(kerasbn.BatchNormalization())
    recalibrate(model, x)
    check(model.layers[0], x, rtol=1e-3)


@pytest.mark.parametrize(("axis", "reduced"), [([1, 2], (0, 3)), (1, (0, 2, 3))])
def test_axes(axis, reduced):
    x = samples((30, 3, 2, 4))
    model = single(kerasbn.BatchNormalization(axis=axis), (3, 2, 4))
    recalibrate(model, x, batch_size=8)
    check(model.layers[0], x, reduced)


def test_each_layer_normalizes_with_its_batch():
    first, dense = keras.layers.BatchNormalization(), keras.layers.Dense(3)
    second = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), first, dense, second])
    x = samples()
    recalibrate(model, x, batch_size=30)
    kernel, bias = (array(v).astype("float64") for v in dense.weights)
    normalized = [
        (part - part.mean(0)) / np.sqrt(part.var(0) + first.epsilon)
        for part in np.split(x.astype("float64"), 3)
    ]
    hidden = np.concatenate(normalized) @ kernel + bias
    np.testing.assert_allclose(array(second.moving_mean), hidden.mean(0), atol=1e-6)
    np.testing.assert_allclose(array(second.moving_variance), hidden.var(0), rtol=1e-5)


@pytest.mark.parametrize("random", [keras.layers.Dropout, keras.layers.GaussianNoise])
def test_random_layers_are_in_inference_mode(random):
    bn = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), random(0.5), bn])
    recalibrate(model, samples())
    check(bn, samples())


def test_predictions_are_then_normalized():
    model = single(keras.layers.BatchNormalization(epsilon=1e-7))
    recalibrate(model, samples())
    y = array(model(samples(), training=False))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-5)


@pytest.mark.every_backend
@pytest.mark.parametrize("layer", LAYERS)
def test_masked_positions_do_not_count(layer):
    x = samples((20, 5, 4))
    x[::2, 3:] = 0
    bn = layer()
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Masking(), bn])
    (moved,) = recalibrate(model, x, batch_size=8)
    unmasked = x[x.any(axis=-1)]
    check(bn, unmasked)
    assert moved.samples == len(unmasked) == 80


def test_an_index_without_a_sample_stays():
    x = samples((20, 5, 4))
    x[:, 4] = 0
    bn = kerasbn.BatchNormalization(axis=1, zero_debias=True)
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Masking(), bn])
    recalibrate(model, x)
    mean, variance = array(bn.moving_mean), array(bn.moving_variance)
    np.testing.assert_allclose(mean[:4], x[:, :4].mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance[:4], x[:, :4].var((0, 2)), rtol=1e-5)
    assert (mean[4], variance[4]) == (0, 1)
    assert array(bn.moving_weight.w).tolist() == [1, 1, 1, 1, 0]


@pytest.mark.every_backend
def test_a_mask_counts_every_channel_when_channels_are_reduced():
    x = samples((20, 5, 4))
    bn = kerasbn.BatchNormalization(axis=1)
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Masking(), bn])
    (moved,) = recalibrate(model, x)
    assert moved.samples == 20 * 4


@pytest.mark.every_backend
def test_all_calls_of_a_layer_are_pooled():
    a, b = keras.Input((4,)), keras.Input((4,))
    bn = keras.layers.BatchNormalization()
    model = keras.Model([a, b], [bn(a), bn(b)])
    x, y = samples(), samples(seed=1, mean=-2)
    (moved,) = recalibrate(model, [x, y])
    check(bn, np.concatenate([x, y]))
    assert moved.samples == 180


@pytest.mark.every_backend
@pytest.mark.parametrize("layer", LAYERS)
def test_renorm_statistics_are_set_too(layer):
    bn = layer(renorm=True)
    model = single(bn)
    recalibrate(model, samples())
    check(bn, samples())
    stddev = np.sqrt(samples().astype("float64").var(0) + bn.epsilon)
    np.testing.assert_allclose(array(bn.moving_stddev), stddev, rtol=1e-5)
    np.testing.assert_allclose(array(bn.renorm_stddev), stddev, rtol=1e-5)
    np.testing.assert_allclose(array(bn.renorm_mean), samples().mean(0), rtol=1e-5)


def test_zero_debias_counts_as_complete():
    bn = kerasbn.BatchNormalization(zero_debias=True, momentum=0.9)
    model = single(bn)
    recalibrate(model, samples())
    mean = array(bn.moving_mean)
    model(np.zeros((8, 4), "float32"), training=True)
    np.testing.assert_allclose(array(bn.moving_mean), 0.9 * mean, rtol=1e-5)


def test_a_cumulative_average_goes_on_from_the_batches_seen():
    bn = kerasbn.BatchNormalization(momentum=None)
    model = single(bn)
    recalibrate(model, samples(), batch_size=30)
    mean = array(bn.moving_mean)
    model(np.zeros((8, 4), "float32"), training=True)
    np.testing.assert_allclose(array(bn.moving_mean), 0.75 * mean, rtol=1e-5)


def test_frozen_layers_are_included():
    model = single(keras.layers.BatchNormalization())
    model.trainable = False
    recalibrate(model, samples())
    check(model.layers[0], samples())
    assert not model.layers[0].trainable


@pytest.mark.parametrize("layer", LAYERS)
def test_half_precision(layer):
    bn = layer(dtype="mixed_float16")
    recalibrate(single(bn), samples())
    check(bn, samples(), rtol=1e-3)


def test_what_is_returned():
    model = single(keras.layers.BatchNormalization(name="bn", epsilon=1e-9))
    x = np.array([[1.0], [5.0]], "float32") * np.ones((1, 4), "float32")
    (moved,) = recalibrate(model, x)
    assert (moved.path, moved.samples) == ("bn", 2)
    assert moved.mean_shift == pytest.approx(1.5)  # from 0 to 3, std is 2
    assert moved.variance_ratio == pytest.approx(4)  # from 1 to 4
    (again,) = recalibrate(model, x)
    assert again.mean_shift == pytest.approx(0, abs=1e-6)
    assert again.variance_ratio == pytest.approx(1)
