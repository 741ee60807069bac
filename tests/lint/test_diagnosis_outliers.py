"""A few samples far out of the range of all others: in the data, or in training."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import kerasbn
import lint
from lint.diagnosis.batches import Batch, Data
from lint.diagnosis.cutting import cut
from lint.diagnosis.layers import LayerState, Moments
from lint.diagnosis.outliers import without_outliers
from lint.diagnosis.signs import (
    excess_of_outliers,
    has_heavy_tails,
    is_blown_up,
)
from lint.subjects.distance import distance

BN = layers.BatchNormalization
X, Y = load_digits(return_X_y=True)
X, Y = (X[:512] / 16).astype("float32"), Y[:512]
FAR = X.copy()
FAR[100] *= 80


def trained(x, momentum=0.99):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64,))
    hidden = layers.ReLU()(BN(momentum=momentum)(layers.Dense(24)(inputs)))
    model = keras.Model(inputs, layers.Dense(10)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    model.fit(x, Y, epochs=20, verbose=0)
    return model


@pytest.fixture(scope="module")
def spoiled():
    return trained(FAR)


def causes(diagnosis):
    return {cause.name: cause.certainty for cause in diagnosis.causes}


def loss_of(model):
    return model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]


def followed(remedy, model, **names):
    """Follow the remedy on a copy; return the loss on the usual samples."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    exec(remedy, {"kerasbn": kerasbn, "np": np, "keras": keras, "model": copy, **names})
    copy.compile(loss=model.loss)
    return loss_of(copy)


@pytest.mark.every_backend
def test_in_the_data_it_is_named_and_left_out(spoiled):
    diagnosis = lint.diagnose(spoiled, FAR, Y)
    assert causes(diagnosis)["outliers"] == "certain"
    assert diagnosis.left_out == (100,)
    assert diagnosis.to_json()["left_out"]["samples"] == [100]
    assert "Left out: x[100] (" in str(diagnosis)
    wanted = "kerasbn.recalibrate(model, np.delete(x, [100], axis=0))"
    assert diagnosis.remedy == wanted
    with_it = followed("kerasbn.recalibrate(model, x)", spoiled, x=FAR)
    without = followed(wanted, spoiled, x=FAR)
    assert without < 0.5 * with_it < 0.5 * loss_of(spoiled)


def test_in_data_of_several_inputs_and_in_batches(spoiled):
    both = keras.Input((32,), name="a"), keras.Input((32,), name="b")
    joined = layers.Concatenate()(both)
    parts = keras.Model(dict(zip("ab", both, strict=True)), spoiled(joined))
    parts.compile(loss=spoiled.loss)
    x = {"a": FAR[:, :32], "b": FAR[:, 32:]}
    remedy = lint.diagnose(parts, x, Y).remedy
    assert "lambda a: np.delete(a, [100], axis=0), x)" in remedy
    batches = [(FAR[i : i + 32], Y[i : i + 32]) for i in range(0, 512, 32)]
    diagnosis = lint.diagnose(spoiled, batches)
    assert diagnosis.left_out == (3,)
    assert "Left out: batch 3 (with a sample" in str(diagnosis)
    healed = followed(diagnosis.remedy, spoiled, data=batches)
    assert healed < 0.5 * loss_of(spoiled)


def test_in_training_alone_it_is_seen_by_what_it_left(spoiled):
    diagnosis = lint.diagnose(spoiled, X, Y)
    assert causes(diagnosis)["outliers"] in ("likely", "possible")
    assert diagnosis.left_out == ()
    assert diagnosis.remedy == "kerasbn.recalibrate(model, x)"


def test_in_the_data_alone_it_does_no_harm():
    model = trained(X, momentum=0.9)
    assert lint.diagnose(model, X, Y).healthy
    assert lint.diagnose(model, FAR, Y).healthy


def test_heavy_tails_suit_no_running_variance():
    random = np.random.default_rng(0)
    z = random.normal(0, 4, (512, 8))
    x, y = np.exp(z).astype("float32"), (z[:, 0] > 0).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8,)), BN(momentum=0.95), layers.Dense(1, activation="sigmoid")]
    )
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(x, y, epochs=20, verbose=0)
    diagnosis = lint.diagnose(model, x, y)
    assert causes(diagnosis) == {"outliers": "likely"}
    assert "logarithm" in diagnosis.causes[0].advice
    assert diagnosis.remedy is None


class TestSearch:
    RANDOM = np.random.default_rng(0)

    def positions(self, x):
        found = without_outliers(cut(Batch(x), 16, 32))
        return [] if found is None else list(found.outliers.positions)

    def test_finds_a_sample_an_image_and_a_value(self):
        x = self.RANDOM.normal(size=(400, 8))
        x[7, 2], x[9] = 1e4, x[9] * 1e3
        assert self.positions(x) == [7, 9]
        images = self.RANDOM.uniform(size=(200, 6, 6, 3)).astype("float32")
        images[:, 0] = 0
        images[5, 0, 0, 1] = 99.0  # where all others are black
        assert self.positions({"image": images, "flags": np.zeros((200, 2))}) == [5]

    def test_finds_nothing_usual(self):
        normal = self.RANDOM.normal(size=(400, 8))
        rare = (self.RANDOM.random((400, 8)) < 0.002) * 1e3
        amounts = np.exp(self.RANDOM.normal(0, 1, (400, 8)))
        units = normal * np.logspace(0, 6, 8)
        for x in (normal, rare, amounts, units, normal[:31] ** 9, normal.argsort()):
            assert self.positions(x) == []

    def test_finds_nothing_where_many_are_far_out(self):
        x = self.RANDOM.normal(size=(400, 8))
        x[::20] *= 1e4
        assert self.positions(x) == []

    def test_of_batches_of_unlike_shapes(self):
        batches = [Batch(self.RANDOM.normal(size=(32, n, 4))) for n in (5, 9, 7)]
        batches[1].x[3] *= 1e3
        found = without_outliers(Data(batches))
        assert found.outliers.positions == (1,)
        assert found.batches == [batches[0], batches[2]]
        assert found.outliers.batches == [batches[1]]

    def test_says_nothing_of_values_that_are_not_finite(self):
        x = self.RANDOM.normal(size=(400, 8))
        x[3], x[4, 4] = np.nan, np.inf
        assert self.positions(x) == []


class TestSigns:
    """Of one sample at distance d from the others, in one of ten batches of 32."""

    D = np.linspace(50, 400, 16)

    def state(self, mean, variance, usual=1.0):
        zero, one = np.zeros(16), np.ones(16)
        data = Moments(zero, one, one, one, zero, 32, 1, usual * one)
        away = distance(mean, variance, zero, one, 1e-3)
        return LayerState("bn", BN(), False, mean, variance, (), data, None, away)

    def test_an_outlier_shifts_the_mean_in_proportion(self):
        batch = self.D / 32, 1 + self.D**2 / 32 * (1 - 1 / 32)
        state = self.state(0.1 * batch[0], 0.9 + 0.1 * batch[1])
        assert is_blown_up(state)
        assert excess_of_outliers(state)

    def test_noise_does_not(self):
        shift = np.random.default_rng(0).normal(0, 0.05, 16) * self.D**0.5
        state = self.state(shift, 1 + self.D)
        assert is_blown_up(state)
        assert not excess_of_outliers(state)

    def test_other_data_shift_it_more(self):
        assert not is_blown_up(self.state(self.D**0.5, self.D))
        assert not is_blown_up(self.state(np.zeros(16), np.full(16, 2.0)))

    def test_heavy_tails_leave_most_batches_small(self):
        assert has_heavy_tails(self.state(np.zeros(16), np.ones(16), 0.05))
        assert not has_heavy_tails(self.state(np.zeros(16), np.ones(16), 0.8))
