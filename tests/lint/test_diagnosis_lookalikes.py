"""Causes that look like one another: the right one is named, and no other."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.datasets import load_digits

import lint
from lint.diagnosis.batches import Batch
from lint.diagnosis.by_origin import change_of_data
from lint.diagnosis.evidence import Evidence
from lint.diagnosis.fits import fitting_size
from lint.diagnosis.layers import LayerState, Moments
from lint.diagnosis.runner import Mode, Runner
from lint.diagnosis.scores import Score, Spread, beats_constant, is_worse
from lint.diagnosis.sentences import trial
from lint.diagnosis.signs import effective_batch_size, fits_noise, woken
from lint.subjects.distance import distance
from lint.subjects.probing.undisturbed import undisturbed

BN = layers.BatchNormalization
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

X, Y = load_digits(return_X_y=True)
X = (X[:512] / 16).astype("float32")
Y = Y[:512]


def names(diagnosis):
    return {cause.name: cause.certainty for cause in diagnosis.causes}


def advice(diagnosis):
    return " ".join(cause.advice for cause in diagnosis.causes)


def compiled(model):
    model.compile(keras.optimizers.Adam(3e-3), LOSS, metrics=["accuracy"])
    return model


def net(*front, momentum=0.9):
    keras.utils.set_random_seed(0)
    return compiled(
        keras.Sequential(
            [
                keras.Input((64,)),
                *front,
                BN(momentum=momentum, name="bn1"),
                layers.Dense(24),
                BN(momentum=momentum, name="bn2"),
                layers.ReLU(),
                layers.Dense(10),
            ]
        )
    )


@pytest.fixture(scope="module")
def trained():
    model = net()
    model.fit(X, Y, epochs=10, batch_size=32, verbose=0)
    return model.get_weights()


@pytest.fixture
def model(trained):
    model = net()
    model.set_weights(trained)
    return model


def steps_taken(model, steps):
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(steps)


class TestChance:
    """Of the difference between two modes on the same batches."""

    def better(self, *differences):
        one = np.full(len(differences), 1.0)
        return is_worse(Score(one + differences), Score(one), scale=1.0)

    def test_is_ruled_out_by_the_mean(self):
        assert self.better(0.5, 0.6, 0.4, 0.5)
        assert not self.better(0.5, -0.6, 0.9, 0.1)

    def test_or_by_the_sign(self):
        rare = [9.0] + [0.2] * 31  # three standard errors are 0.84, the mean is 0.47
        assert self.better(*rare)
        assert not self.better(*([9.0] + [0.2, -0.2] * 15 + [0.2]))

    def test_but_a_trifle_is_never_worse(self):
        assert not self.better(*[0.05] * 32)


class TestConstant:
    """Whether a prediction is better than one that looks at nothing."""

    CONSTANT = Score(np.tile([0.68, 0.70], 16))

    def beats(self, losses):
        return beats_constant(Score(np.asarray(losses)), self.CONSTANT)

    def test_is_beaten_by_a_little_that_is_sure(self):
        assert self.beats(self.CONSTANT.losses - 0.02)

    def test_and_not_by_chance_or_a_trifle(self):
        assert not self.beats(self.CONSTANT.losses - 0.005)
        assert not self.beats(self.CONSTANT.losses + np.tile([-0.4, 0.3], 16))
        assert not self.beats(self.CONSTANT.losses + 0.1)


def test_a_network_that_can_predict_little_is_healthy():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (1024, 4)).astype("float32")
    y = (random.uniform(size=1024) < 1 / (1 + np.exp(-0.4 * x[:, 0]))).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.BatchNormalization(momentum=0.9),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    model.fit(x, y, batch_size=32, epochs=2, verbose=0)
    diagnosis = lint.diagnose(model, x, y)
    loss = diagnosis.scores["inference mode"].loss.mean
    assert 0.95 * np.log(2) < loss < 0.99 * np.log(2)
    assert diagnosis.healthy


def test_losses_that_layers_add_leave_a_healthy_network_healthy():
    class Adds(layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * ops.mean(x**2))
            return x

    model = net(layers.Dense(24, kernel_regularizer="l2"), Adds())
    model.fit(X, Y, epochs=10, batch_size=32, verbose=0)
    diagnosis = lint.diagnose(model, X, Y)
    assert diagnosis.evidence.constant is None
    assert diagnosis.evidence.scale > 1  # of ln 10 = 2.3, and not of the small loss
    assert diagnosis.healthy


def test_what_is_sure_and_small_is_not_called_chance(model):
    diagnosis = lint.diagnose(model, X, Y)
    before, after = (
        diagnosis.scores[mode] for mode in ("inference mode", "recalibrated")
    )
    far = replace(before, losses=after.losses * 1.3 + 1e-6)
    scores = {**diagnosis.scores, "inference mode": far}
    evidence = replace(diagnosis.evidence, scores=scores, scale=100 * far.loss.mean)
    assert "too little to matter" in trial(replace(diagnosis, evidence=evidence))


def test_a_better_loss_at_a_worse_accuracy_is_no_help():
    def mixed(before, after, name="accuracy"):
        scores = {
            mode: SimpleNamespace(metrics={name: Spread(value, 0.0)})
            for mode, value in (("inference mode", before), ("recalibrated", after))
        }
        return Evidence.is_mixed.fget(SimpleNamespace(scores=scores))

    assert mixed(0.84, 0.74)
    assert not mixed(0.84, 0.835)
    assert not mixed(0.84, 0.74, name="mae")


def state(mean, variance, data, still=None, momentum=0.99):
    """Of a layer with given running statistics, and data."""
    away = distance(mean, variance, data.mean, data.variance, 1e-3)
    layer = BN(momentum=momentum)
    return LayerState("bn", layer, False, mean, variance, (), data, still, away)


def moments(mean, variance, of_samples=0.0):
    full = [np.full(4, float(each)) for each in (mean, variance, of_samples)]
    zero = np.zeros(4)
    return Moments(full[0], full[1], full[1], full[2], zero, 32, 1)


class TestSigns:
    def test_a_scale_of_all_channels(self):
        mean, variance = np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 2, 3])
        zero = np.zeros(4)
        said = []
        for scale in (16, 3):
            spread = scale**2 * variance
            data = Moments(scale * mean, spread, spread, zero, zero, 32, 1)
            said.append(change_of_data(state(mean, variance, data)))
        assert "16 times that of the training" in said[0]
        assert not said[1]

    def test_small_batches_are_not_what_few_steps_lack(self):
        """Data of variance 9 between samples alone, in batches of 2 or 32."""
        data = moments(2, 9, 9)
        for left, size in ((0.0, 2), (0.4, 2)):
            mean = np.full(4, (1 - left) * 2.0)
            variance = np.full(4, (1 - left) * 9 * (1 - 1 / size) + left)
            found = effective_batch_size(state(mean, variance, data), left)
            assert found == pytest.approx(size)
        lagging = state(np.full(4, 1.2), np.full(4, 0.6 * 9 + 0.4), data)
        assert effective_batch_size(lagging, 0.4) is None  # It is right by then,
        assert effective_batch_size(lagging) < 4.5  # and looks small without that.

    def test_a_batch_of_one_has_no_variance_and_data_of_another_scale_have(self):
        data = moments(2, 9, 9)
        for part, size in ((0.0, 1), (0.5, 2), (0.05, None), (0.25, None)):
            found = effective_batch_size(
                state(np.full(4, 2.0), np.full(4, 9.0 * part), data)
            )
            assert found == (size and pytest.approx(size))
        scaled = state(data.mean, 0.05 * data.variance, data)
        assert fitting_size([scaled]) == (0.0, [])

    def test_channels_that_were_constant_in_training(self):
        variance = np.array([9.0, 0.0, 1e-4, 2.0])
        assert woken(state(np.zeros(4), variance, moments(0, 9))) == 2
        assert woken(state(np.zeros(4), variance, moments(0, 1e-4))) == 0
        assert woken(None) == 0

    def test_dropout_in_front(self):
        still = moments(0, 1)
        assert fits_noise(state(np.zeros(4), np.full(4, 1.9), moments(0, 2), still))
        assert not fits_noise(state(np.zeros(4), np.full(4, 1.0), moments(0, 2), still))
        assert not fits_noise(state(np.zeros(4), np.full(4, 3.0), still, still))


class OwnNorm(layers.Layer):
    """Batch normalization by hand, which forgets to keep statistics."""

    def call(self, x, training=None):
        return (x - ops.mean(x, 0)) / (ops.std(x, 0) + 1e-3) if training else x


@pytest.mark.every_backend
def test_a_layer_of_ones_own_without_any_batch_normalization():
    keras.utils.set_random_seed(0)
    model = compiled(
        keras.Sequential(
            [
                keras.Input((64,)),
                layers.Dense(24),
                OwnNorm(name="mine"),
                layers.Dense(10),
            ]
        )
    )
    model.fit(X * 4 + 3, Y, epochs=6, verbose=0)
    diagnosis = lint.diagnose(model, X * 4 + 3, Y)
    assert names(diagnosis) == {"not batch normalization": "likely"}
    assert "`training`: mine" in advice(diagnosis)


class TestNeverMoved:
    def test_because_the_statistics_were_not_copied(self, model):
        target = net()
        pairs = zip(model.trainable_variables, target.trainable_variables, strict=True)
        for source, copy in pairs:
            copy.assign(source)
        diagnosis = lint.diagnose(target, X, Y)
        assert names(diagnosis) == {"never moved": "certain"}
        assert "copied" in advice(diagnosis)
        assert diagnosis.remedy is not None

    def test_because_call_lacks_the_parameter(self):
        class Flagless(keras.Model):
            def __init__(self):
                super().__init__()
                self.bn, self.head = BN(), layers.Dense(10)

            def call(self, x):
                return self.head(self.bn(x))

        model = compiled(Flagless())
        model.fit(X, Y, verbose=0)
        diagnosis = lint.diagnose(model, X, Y)
        assert set(names(diagnosis)) == {"never moved", "flag hard-coded"}
        wanted = "write call(self, inputs, training=None) in Flagless"
        assert [cause.advice for cause in diagnosis.causes] == [wanted] * 2

    def test_because_it_was_not_trained(self):
        diagnosis = lint.diagnose(net(), X, Y)
        assert "was the model trained at all?\n" in str(diagnosis)


@pytest.mark.every_backend
def test_what_is_not_finite_says_nothing_of_flags(model):
    for variable in model.variables:
        if "float" in str(variable.dtype):
            variable.assign(ops.full(variable.shape, np.nan))
    assert set(names(lint.diagnose(model, X, Y))) == {"not finite"}


class TestValidStatisticsOfSomethingElse:
    def changed(self, model, name):
        bn = model.get_layer(name)
        bn.moving_mean.assign(bn.moving_mean + 2 * ops.sqrt(bn.moving_variance))
        return lint.diagnose(model, X, Y)

    def test_are_not_those_of_other_data_where_the_first_layer_fits(self, model):
        assert names(self.changed(model, "bn2")) == {"averaged weights": "possible"}

    def test_may_lag_in_a_model_that_was_trained(self, model):
        steps_taken(model, 10_000)
        found = names(self.changed(model, "bn2"))
        assert found == {"not converged": "possible", "averaged weights": "possible"}
        assert next(iter(found)) == "not converged"

    def test_and_else_belong_to_other_data(self, model):
        steps_taken(model, 10_000)
        diagnosis = lint.diagnose(model, 3 * X + 1, Y)
        assert names(diagnosis) == {"unlike data": "likely"}

    def test_or_are_kept_by_frozen_layers(self, model):
        for layer in model.layers:
            layer.trainable = not isinstance(layer, BN)
        model.compile(keras.optimizers.Adam(1e-2), LOSS, metrics=["accuracy"])
        model.fit(5 - 6 * X, Y, epochs=4, verbose=0)
        diagnosis = lint.diagnose(model, 5 - 6 * X, Y)
        assert names(diagnosis) == {"frozen": "possible"}
        assert diagnosis.remedy is None


@pytest.mark.every_backend
def test_each_image_by_itself():
    """Images of unlike brightness: alone in a batch, each is normalized to one."""
    bright = np.random.default_rng(0).uniform(0.1, 9, (64, 1, 1, 1))
    images = X[:64].reshape(-1, 8, 8, 1)
    images = images - images.mean((1, 2, 3), keepdims=True)
    y = images / images.std((1, 2, 3), keepdims=True)
    x = (bright * y).astype("float32")
    model = keras.Sequential([keras.Input((8, 8, 1)), BN(center=False, scale=False)])
    model.layers[0].moving_variance.assign([x.var()])
    model.compile("sgd", "mse")
    diagnosis = lint.diagnose(model, x, y, batch_size=1)
    assert names(diagnosis) == {"batches too small": "likely"}
    assert diagnosis.remedy is None
    assert diagnosis.scores["training mode"].loss.mean < 0.01


def test_dropout_in_front_is_no_fault_of_the_data():
    model = net(layers.GaussianNoise(1.0))
    model.fit(X, Y, epochs=10, verbose=0)
    diagnosis = lint.diagnose(model, X, Y)
    assert set(names(diagnosis)) <= {"not batch normalization"}


def test_dropout_in_front_that_costs_most_of_the_loss():
    keras.utils.set_random_seed(0)
    inside = [layers.GaussianNoise(1.0), layers.Dense(64), BN(momentum=0.9)]
    model = keras.Sequential(
        [keras.Input((64,)), *inside, layers.ReLU(), layers.Dense(10)]
    )
    compiled(model).fit(X, Y, epochs=25, verbose=0)
    diagnosis = lint.diagnose(model, X, Y)
    assert names(diagnosis) == {"not batch normalization": "likely"}
    before, after = (
        diagnosis.scores[mode].loss.mean for mode in ("inference mode", "recalibrated")
    )
    assert after < 0.6 * before


@pytest.mark.every_backend
def test_layers_of_one_name_are_all_measured():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.norms = [BN(name="bn", momentum=0.999) for _ in range(3)]
            self.head = layers.Dense(10)

        def call(self, x, training=None):
            for norm in self.norms:
                x = norm(x, training=training)
            return self.head(x)

    model = compiled(Twice())
    model.fit(X, Y, epochs=2, verbose=0)
    diagnosis = lint.diagnose(model, X, Y)
    assert {layer.path for layer in diagnosis.layers} == {"bn", "bn (2)", "bn (3)"}
    assert set(names(diagnosis)) == {"not converged"}


def test_a_wrong_shape_is_said(model):
    with pytest.raises(lint.UsageError, match=r"incompatible.*Received: x of shape"):
        lint.diagnose(model, X[:, :7], Y)


def test_of_how_many_samples(model):
    text = str(lint.diagnose(model, X, Y, steps=4))
    assert "Measured on 128 of 512 samples in batches of 32" in text


class TestOtherEpsilon:
    """Inputs with variances of about 1e-5, as against epsilon."""

    SMALL = X * 0.01

    def model(self, epsilon, momentum=0.9):
        keras.utils.set_random_seed(0)
        return compiled(
            keras.Sequential(
                [
                    keras.Input((64,)),
                    BN(epsilon=epsilon, momentum=momentum, name="bn1"),
                    layers.Dense(24),
                    BN(epsilon=epsilon, momentum=momentum, name="bn2"),
                    layers.ReLU(),
                    layers.Dense(10),
                ]
            )
        )

    def test_weights_of_another_framework(self):
        source, model = self.model(1e-5), self.model(1e-3)
        source.fit(self.SMALL, Y, epochs=10, verbose=0)
        model.set_weights(source.get_weights())
        diagnosis = lint.diagnose(model, self.SMALL, Y)
        assert names(diagnosis) == {"other epsilon": "certain"}
        assert diagnosis.causes[0].layers == ("bn1",)
        assert "epsilon=1e-05" in advice(diagnosis)
        assert [layer.epsilon for layer in model.layers[::2][:1]] == [1e-3]
        assert names(lint.diagnose(source, self.SMALL, Y)) == {}

    def test_small_variances_alone_are_healthy(self):
        model = self.model(1e-3)
        model.fit(self.SMALL, Y, epochs=10, verbose=0)
        assert names(lint.diagnose(model, self.SMALL, Y)) == {}

    def test_statistics_that_did_not_converge(self):
        model = self.model(1e-3, momentum=0.999)
        model.fit(self.SMALL, Y, epochs=10, verbose=0)
        assert "other epsilon" not in names(lint.diagnose(model, self.SMALL, Y))


def test_each_batch_has_noise_of_its_own_in_all_modes():
    model = net(layers.Dropout(0.5))
    model(X, training=True)
    runner = Runner(model, {}, has_loss=False)
    batches = [Batch(X[:32]), Batch(X[:32])]
    with undisturbed(model):
        runner.prepare(batches[0])
        one, other = runner.outputs(Mode(True), batches).outputs
        again, _ = runner.outputs(Mode(True), batches).outputs
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, again)


def test_augmentation_is_no_gap_without_a_loss():
    """Running statistics are those of augmented data, as they must be."""
    model = net(layers.GaussianNoise(1.0, seed=0))
    for _ in range(100):
        model(X, training=True)
    diagnosis = lint.diagnose(model, X, steps=16)
    assert diagnosis.healthy, str(diagnosis)
    scores = diagnosis.scores
    assert scores["inference mode"].loss.mean < 0.5
    assert scores["recalibrated"].loss.mean > 2
