"""Virtual batches: groups of samples with statistics of their own."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from . import reference
from .helpers import array, call, gradients, statistics, train

rng = np.random.default_rng(0)
X = rng.normal(3, 2, (10, 4, 3, 2)).astype("float32")
GROUPS = [slice(0, 4), slice(4, 8), slice(8, 10)]


@pytest.mark.parametrize("axis", [-1, 1, [1, 2], [1, 3]], ids=str)
def test_each_group_is_normalized_on_its_own(axis):
    axes = sorted(a % 4 for a in ([axis] if isinstance(axis, int) else axis))
    layer = BatchNormalization(axis, virtual_batch_size=4, momentum=0.0)
    y = call(layer, X, training=True)
    moments = [reference.moments(X[group], axes) for group in GROUPS]
    for group, (mean, variance) in zip(GROUPS, moments, strict=True):
        expected = reference.normalize(X[group], axes, mean, variance, 1, 0)
        np.testing.assert_allclose(y[group], expected, atol=1e-5)
    for found, each in zip(statistics(layer), zip(*moments, strict=True), strict=True):
        expected = np.average(each, axis=0, weights=[4, 4, 2])
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_masked_positions_count_in_no_group():
    mask = rng.random(X.shape[:-1]) < 0.6
    mask[4:8] = False
    layer = BatchNormalization(virtual_batch_size=4, momentum=None)
    y = call(layer, X, training=True, mask=mask)
    found = [reference.masked_moments(X[g], [3], mask[g]) for g in GROUPS]
    for group, (mean, variance, _) in list(zip(GROUPS, found, strict=True))[::2]:
        expected = reference.normalize(X[group], [3], mean, variance, 1, 0)
        np.testing.assert_allclose(y[group], expected, atol=1e-5)
    # As inference did before this batch.
    np.testing.assert_allclose(y[4:8], X[4:8] / np.sqrt(1.001), rtol=1e-5)
    counts = [mask[group].sum() for group in GROUPS]
    means = [np.nan_to_num(mean) for mean, *_ in found]
    np.testing.assert_allclose(
        statistics(layer)[0], np.average(means, axis=0, weights=counts), rtol=1e-5
    )


@pytest.mark.parametrize("renorm", [False, True])
def test_one_group_is_the_whole_batch(renorm):
    alone, whole = (
        BatchNormalization(renorm=renorm, virtual_batch_size=size)
        for size in (None, 16)
    )
    np.testing.assert_allclose(
        call(alone, X, training=True), call(whole, X, training=True), atol=1e-5
    )
    for a, b in zip(alone.weights, whole.weights, strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=1e-5)


def test_gradients_are_those_of_the_groups():
    upstream = rng.normal(size=X.shape).astype("float32")
    layer = BatchNormalization(virtual_batch_size=4)
    layer.build(X.shape)
    found = gradients(layer, X, upstream)
    each = [reference.gradients(X[g], [3], upstream[g], np.ones(2)) for g in GROUPS]
    np.testing.assert_allclose(
        found[0], np.concatenate([by_x for by_x, *_ in each]), atol=1e-4
    )
    for index in (1, 2):
        np.testing.assert_allclose(
            found[index], sum(g[index] for g in each), rtol=1e-4, atol=1e-4
        )


def test_it_is_trained_with_batches_of_any_size():
    layer = BatchNormalization(virtual_batch_size=4, momentum=None)
    model = keras.Sequential([keras.Input(X.shape[1:]), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(X, X, batch_size=6, epochs=1, shuffle=False, verbose=0)
    expected = np.stack(
        [
            np.average([X[:4].mean((0, 1, 2)), X[4:6].mean((0, 1, 2))], 0, [4, 2]),
            X[6:].mean((0, 1, 2)),
        ]
    ).mean(0)
    np.testing.assert_allclose(statistics(layer)[0], expected, rtol=1e-5)
    y = model.predict(X, verbose=0)
    inference = reference.normalize(X, [3], *statistics(layer), 1, 0)
    np.testing.assert_allclose(y, inference, atol=1e-5)


def test_an_empty_batch_moves_nothing():
    layer = train(BatchNormalization(virtual_batch_size=4), X)
    before = statistics(layer)
    assert call(layer, X[:0], training=True).shape == X[:0].shape
    for a, b in zip(statistics(layer), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_configuration():
    config = BatchNormalization(virtual_batch_size=np.int64(4)).get_config()
    assert config["virtual_batch_size"] == 4
    assert BatchNormalization.from_config(config).virtual_batch_size == 4
    assert "virtual_batch_size" not in BatchNormalization().get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"virtual_batch_size": 0}, "virtual_batch_size=0"),
        ({"virtual_batch_size": 2.5}, "virtual_batch_size=2.5"),
        ({"virtual_batch_size": True}, "virtual_batch_size=True"),
        ({"virtual_batch_size": 4, "synchronized": True}, "synchronized=True"),
        ({"virtual_batch_size": 4, "axis": [0, 3]}, r"axis=\[0, 3\]"),
    ],
)
def test_what_it_cannot_be(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        BatchNormalization(**options).build((8, 4, 3, 2))
