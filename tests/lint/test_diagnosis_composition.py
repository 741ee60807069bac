"""What a diagnosis concludes of the batches of training: their size and their kinds."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import lint
from lint.diagnosis.batches import Batch
from lint.diagnosis.cutting import are_of_one_label, cut_by_label, labels_of
from lint.diagnosis.fits import fit_kinds, fitting_size
from lint.diagnosis.layers import LayerState, Moments
from lint.subjects.distance import distance

BN = layers.BatchNormalization
X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")


def net(momentum=0.9, **options):
    keras.utils.set_random_seed(0)
    dense = [layers.Dense(32), BN(momentum=momentum, name="bn1"), layers.ReLU()]
    more = [layers.Dense(32), BN(momentum=momentum, name="bn2"), layers.ReLU()]
    model = keras.Sequential([keras.Input((64,)), *dense, *more, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3, **options), loss, metrics=["accuracy"])
    return model


def causes(diagnosis):
    return {cause.name: cause.certainty for cause in diagnosis.causes}


def by_class(x=X, y=Y):
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


@pytest.mark.long
@pytest.mark.parametrize("order", ["as trained", "shuffled"])
def test_batches_of_one_class_each_teach_nothing_of_classes(order):
    x, y = by_class()
    model = net()
    model.fit(x, y, epochs=5, shuffle=False, verbose=0)
    given = (x, y) if order == "as trained" else (X, Y)
    diagnosis = lint.diagnose(model, *given)
    assert causes(diagnosis) == {"unlike inputs": "likely"}
    assert "lack the differences between kinds" in diagnosis.causes[0].evidence
    assert "shuffle" in diagnosis.causes[0].advice
    assert diagnosis.remedy is None


@pytest.mark.every_backend
@pytest.mark.parametrize("given", ["arrays", "batches"])
def test_a_real_and_a_generated_batch_in_turn(given):
    """What tells them apart is taken away from each of them."""
    random = np.random.default_rng(0)
    real = random.normal(1.5, 1, (20, 32, 64)).astype("float32")
    fake = random.normal(-1, 0.4, (20, 32, 64)).astype("float32")
    model = net(beta_1=0.5)
    batches = []
    for pair in zip(real, fake, strict=True):
        batches += [
            (x, np.full(32, label)) for x, label in zip(pair, (1, 0), strict=True)
        ]
    for _ in range(4):
        for x, y in batches:
            model.train_on_batch(x, y)
    if given == "arrays":
        x = np.concatenate([*real, *fake])
        diagnosis = lint.diagnose(model, x, np.repeat([1, 0], 640))
    else:
        diagnosis = lint.diagnose(model, batches)
    assert causes(diagnosis)["unlike inputs"] in ("likely", "possible")
    assert set(causes(diagnosis)) == {"unlike inputs"}


@pytest.mark.long
@pytest.mark.parametrize("every", [1, 8])
def test_pairs_are_seen_though_inference_does_not_suffer(every):
    options = {"gradient_accumulation_steps": every} if every > 1 else {}
    model = net(0.98, **options)
    x, y = X[:300], Y[:300]
    model.fit(x, y, batch_size=2, epochs=3, verbose=0)
    diagnosis = lint.diagnose(model, x, y)
    (cause,) = diagnosis.causes
    assert cause.name == "batches too small"
    # The weights, and so the estimate, differ from processor to processor.
    assert re.search("batches of about [23] samples", cause.evidence)
    assert ("gradients of 8 batches" in cause.evidence) == (every == 8)
    assert every == 1 or cause.certainty != "possible"


@pytest.mark.long
@pytest.mark.parametrize("batch_size", [None, 256])
def test_fine_tuning_on_pairs_that_harms(batch_size):
    """A layer behind others shows the size only if these have small batches, too."""
    keras.utils.set_random_seed(0)
    layers_ = [keras.Input((8, 8, 1), batch_size=batch_size)]
    for filters, strides in ((16, 2), (24, 1)):
        layers_ += [layers.Conv2D(filters, 3, strides), BN(momentum=0.95)]
        layers_ += [layers.ReLU()]
    layers_ += [layers.Flatten(), layers.Dense(24), BN(momentum=0.95), layers.ReLU()]
    model = keras.Sequential([*layers_, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    x = X.reshape(-1, 8, 8, 1)[:1792]
    model.fit(x, Y[:1792], batch_size=batch_size or 32, epochs=6, verbose=0)
    if batch_size:  # Made for one size: no other can be tried.
        lint.diagnose(model, 3 * x, Y[:1792], batch_size=batch_size)
        return
    model.compile(keras.optimizers.Adam(1e-5), loss)
    model.fit(x, Y[:1792], batch_size=2, verbose=0)
    diagnosis = lint.diagnose(model, x, Y[:1792])
    assert causes(diagnosis) == {"batches too small": "likely"}
    assert "batches of about 2 samples" in diagnosis.causes[0].evidence
    assert len(diagnosis.causes[0].layers) > 1


def test_each_step_by_itself_within_time_distributed():
    keras.utils.set_random_seed(0)
    x = X.reshape(-1, 8, 8) * np.logspace(0, 1.5, 8)[:, None].astype("float32")
    timed = layers.TimeDistributed(BN(momentum=0.9))
    model = keras.Sequential(
        [keras.Input((8, 8)), timed, layers.Flatten(), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    model.fit(x, Y, epochs=3, verbose=0)
    (cause,) = lint.diagnose(model, x, Y).causes
    assert cause.name == "unlike inputs"
    assert "on all steps at once" in cause.advice


@pytest.mark.long
def test_accumulated_gradients_of_large_batches_are_healthy():
    model = net(gradient_accumulation_steps=4)
    model.fit(X, Y, epochs=6, verbose=0)
    assert lint.diagnose(model, X, Y).healthy


@pytest.mark.every_backend
def test_one_image_suffices_where_it_has_many_pixels():
    random = np.random.default_rng(0)
    x = random.uniform(1, 3, (1, 16, 16, 3)).astype("float32")
    y = (x.mean(-1, keepdims=True) > 2).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 3))])
    for _ in range(2):
        model.add(layers.Conv2D(8, 3, padding="same"))
        model.add(BN())
        model.add(layers.ReLU())
    model.add(layers.Conv2D(1, 1, activation="sigmoid"))
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(x, y, epochs=40, verbose=0)
    diagnosis = lint.diagnose(model, x, y)
    assert causes(diagnosis) == {"not converged": "certain"}
    assert diagnosis.remedy == "kerasbn.recalibrate(model, x)"


@pytest.mark.long
def test_a_discriminator_that_needs_mixed_batches():
    random = np.random.default_rng(0)
    both = [random.normal(mean, 1, (512, 64)) for mean in (1, -1)]
    x, y = np.concatenate(both).astype("float32"), np.repeat([1, 0], 512)
    model = net()
    model.fit(x, y, epochs=3, verbose=0)
    diagnosis = lint.diagnose(model, x, y)
    assert diagnosis.healthy
    assert "In training mode, batches must be mixed" in str(diagnosis).replace(
        "\n", " "
    )
    order = random.permutation(1024)
    assert "must be mixed" not in str(lint.diagnose(model, x[order], y[order]))


class TestFits:
    """Statistics in closed form: channels of mean 0, of which the first half differ."""

    KINDS = np.array([0.0, 0.0, 8.0, 8.0])  # the variance between kinds
    WITHIN = np.array([1.0, 4.0, 1.0, 4.0])

    def moments(self, between):
        zero, variance = np.zeros(4), self.WITHIN + self.KINDS
        return Moments(
            zero, variance, self.WITHIN, variance, np.full(4, between), 32, 1
        )

    def layer(self, variance):
        data, zero = self.moments(0.0), np.zeros(4)
        away = distance(zero, variance, data.mean, data.variance, 1e-3)
        args = ("bn", BN(), False, zero, variance, (), data, data, away)
        return LayerState(*args)

    def test_of_random_batches(self):
        layer = self.layer(self.WITHIN + self.KINDS)
        assert fitting_size([layer]) == (0.0, [])
        assert not fit_kinds([layer], [{"bn": self.moments(self.KINDS)}])

    @pytest.mark.parametrize("size", [2, 3, 4])
    def test_of_small_batches(self, size):
        layer = self.layer((self.WITHIN + self.KINDS) * (1 - 1 / size))
        assert fitting_size([layer]) == (size, [layer])
        assert not fit_kinds([layer], [{"bn": self.moments(self.KINDS)}])

    def test_of_batches_of_one_kind(self):
        layer = self.layer(self.WITHIN)
        assert fit_kinds([layer], [{"bn": self.moments(self.KINDS)}])
        assert not fit_kinds([layer], [{"bn": self.moments(0.0)}])  # not apart
        assert not fit_kinds([layer], [{}])  # not measured
        assert not fit_kinds([layer], [])


class TestLabels:
    @pytest.mark.parametrize(
        ("targets", "labels"),
        [
            (np.array([3, 1, 1]), [3, 1, 1]),
            (np.array([[0.1, 0.9], [0.9, 0.1]]), [1, 0]),  # smoothed
            (np.array([[1.0], [0.9], [0.0]]), [1.0, 0.9, 0.0]),
            (np.array([[0, 0], [0, 1]]), None),  # several labels at once
            (np.linspace(0, 1, 50), None),  # a regression
            (np.zeros(5), None),  # all alike
            (np.zeros((2, 8, 8)), None),  # of pixels
            (None, None),
            ({"a": np.zeros(3), "b": np.zeros(3)}, None),
        ],
    )
    def test_are_recognized(self, targets, labels):
        found = labels_of(Batch(np.zeros(3), targets))
        assert (found is None) == (labels is None)
        if labels is not None:
            assert found.tolist() == labels

    def test_order_the_batches(self):
        y = np.tile([0, 1], 64)
        batches = cut_by_label(Batch(np.arange(128), y), 2, 32)
        assert [batch.samples for batch in batches] == [16] * 8  # for statistics
        assert [batch.y.sum() for batch in batches] == [0] * 4 + [16] * 4
        assert are_of_one_label(batches)
        assert not are_of_one_label([Batch(np.arange(4), y[:4])] * 3)
        assert not are_of_one_label([])
