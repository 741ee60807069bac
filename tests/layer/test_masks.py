"""Masks, for every axis, and batches in which nothing is counted."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from . import reference
from .helpers import call, gradients, statistics, train, weight

rng = np.random.default_rng(0)
X = rng.normal(3, 2, (6, 4, 3, 2)).astype("float32")
MASK = rng.random((6, 4, 3)) < 0.6
ALL_AXES = [-1, 1, 0, [1, 2], [1, 3], [0, 3], [2, 1, 3], [0, 1, 2]]


def axes_of(axis):
    return sorted(a % 4 for a in ([axis] if isinstance(axis, int) else axis))


@pytest.mark.parametrize("axis", ALL_AXES, ids=str)
def test_only_unmasked_positions_count(axis):
    mean, variance, count = reference.masked_moments(X, axes_of(axis), MASK)
    layer = train(BatchNormalization(axis, zero_debias=True), X, mask=MASK)
    seen = count > 0
    np.testing.assert_allclose(
        statistics(layer)[0], np.where(seen, mean, 0), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        statistics(layer)[1], np.where(seen, variance, 1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("axis", ALL_AXES, ids=str)
def test_masked_values_have_no_influence(axis):
    layer, other = BatchNormalization(axis), BatchNormalization(axis)
    noise = np.where(MASK[..., None], X, 1e6).astype("float32")
    y = call(layer, X, training=True, mask=MASK)
    z = call(other, noise, training=True, mask=MASK)
    np.testing.assert_allclose(y[MASK], z[MASK], rtol=1e-5, atol=1e-5)
    for a, b in zip(statistics(layer), statistics(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, [1, 2]], ids=str)
def test_full_mask_is_no_mask(axis):
    masked = train(BatchNormalization(axis), X, mask=np.ones(X.shape[:-1], bool))
    plain = train(BatchNormalization(axis), X)
    for a, b in zip(statistics(masked), statistics(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_mask_may_be_numbers_and_broadcast():
    column = rng.random((6, 1, 1)) < 0.5
    narrow = train(BatchNormalization(), X, mask=column.astype("float32"))
    wide = train(BatchNormalization(), X, mask=np.broadcast_to(column, (6, 4, 3)))
    for a, b in zip(statistics(narrow), statistics(wide), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


NOTHING = [(X, np.zeros(X.shape[:-1], bool)), (X[:0], None), (X[:0], MASK[:0])]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"zero_debias": True},
        {"momentum": None},
        {"renorm": True, "renorm_momentum": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("axis", [-1, [1, 2]], ids=str)
@pytest.mark.parametrize(("x", "mask"), NOTHING, ids=["masked", "empty", "both"])
def test_batch_without_positions_changes_nothing(x, mask, axis, options):
    layer = train(BatchNormalization(axis, **options), X)
    before = [v.numpy() for v in layer.variables]
    y = call(layer, x, training=True, mask=mask)
    assert y.shape == x.shape
    assert np.isfinite(y).all()
    for old, variable in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_first_batch_without_positions_does_not_count():
    layer = BatchNormalization(zero_debias=True)
    train(layer, X, mask=np.zeros(X.shape[:-1], bool))
    train(layer, X)
    mean, variance = reference.moments(X, [3])
    np.testing.assert_allclose(statistics(layer)[0], mean, rtol=1e-5)
    np.testing.assert_allclose(statistics(layer)[1], variance, rtol=1e-5)


def test_fully_masked_batch_is_normalized_as_in_inference():
    layer = train(BatchNormalization(zero_debias=True), X)
    y = call(layer, X, training=True, mask=np.zeros(X.shape[:-1], bool))
    np.testing.assert_allclose(y, call(layer, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.9, None])
def test_each_index_counts_its_own_batches(momentum):
    """Sequences of different lengths: late steps are seen less often."""
    layer = BatchNormalization(axis=1, momentum=momentum, zero_debias=True)
    batches = rng.normal(5, 2, (4, 8, 3, 2)).astype("float32")
    lengths = [2, 3, 1, 2]
    for batch, length in zip(batches, lengths, strict=True):
        train(layer, batch, mask=np.broadcast_to(np.arange(3) < length, (8, 3)))
    for time in range(3):
        means = [
            b[:, time].mean() for b, n in zip(batches, lengths, strict=True) if n > time
        ]
        expected = (
            np.mean(means)
            if momentum is None
            else reference.debiased_average(means, momentum)
        )
        np.testing.assert_allclose(statistics(layer)[0][time], expected, rtol=1e-5)
    seen = np.array([4, 3, 1])
    w = seen if momentum is None else 1 - momentum**seen
    np.testing.assert_allclose(weight(layer), w, rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, [1, 2]], ids=str)
def test_gradients_are_those_of_the_unmasked_part(axis):
    """Masked positions pass no gradient through the statistics; none is NaN."""
    mask = MASK.copy()
    mask[:, 0, 0] = False  # A pixel that no sample shows.
    upstream = np.where(mask[..., None], rng.normal(size=X.shape), 0).astype("float32")
    layer = BatchNormalization(axis)
    layer.build(X.shape)
    x = np.where(mask[..., None], X, 1e30).astype("float32")
    by_x, *by_weights = gradients(layer, x, upstream, mask=mask)
    assert not by_x[~mask].any()
    assert all(np.isfinite(g).all() for g in by_weights)
    if axis == -1:
        rows, ups = X[mask], upstream[mask]
        expected, by_gamma, by_beta = reference.gradients(rows, [1], ups, np.ones(2))
        np.testing.assert_allclose(by_x[mask], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(by_weights[0], by_gamma, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(by_weights[1], by_beta, rtol=1e-3, atol=1e-4)


def test_mask_comes_from_the_layer_before_and_goes_on():
    x = np.where(rng.random((4, 5, 1)) < 0.5, rng.normal(2, 1, (4, 5, 3)), 0)
    x = x.astype("float32")
    mask = (x != 0).any(-1)
    layer = BatchNormalization(zero_debias=True)
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Masking(), layer])
    y = model(keras.ops.convert_to_tensor(x), training=True)
    np.testing.assert_allclose(statistics(layer)[0], x[mask].mean(0), rtol=1e-5)
    assert y._keras_mask.shape == (4, 5)


def test_mask_of_other_rank_is_refused():
    with pytest.raises(ValueError, match=r"one dimension less .*Received: mask.shape"):
        call(BatchNormalization(), X, training=True, mask=MASK[..., None])
