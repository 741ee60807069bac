"""Statistics of other weights, of data without preprocessing, of networks apart."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.datasets import load_digits

import lint

BN = layers.BatchNormalization
BACKEND = keras.backend.backend()

pytestmark = pytest.mark.long

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def names(diagnosis):
    return {cause.name: cause.certainty for cause in diagnosis.causes}


def net(momentum=0.9):
    keras.utils.set_random_seed(0)
    inside = [
        part
        for _ in range(2)
        for part in (layers.Dense(24), BN(momentum=momentum), layers.ReLU())
    ]
    return keras.Sequential([keras.Input((64,)), *inside, layers.Dense(10)])


def fitted(model, x=X, y=Y, epochs=4, rate=3e-3):
    model.compile(keras.optimizers.Adam(rate), LOSS, metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return model


class TestTeacher:
    """A network whose weights follow another's."""

    def teacher(self, follows):
        student = fitted(net(), epochs=1)
        teacher = net()
        teacher.set_weights(student.get_weights())
        student.compile(keras.optimizers.Adam(1e-2), LOSS)
        for start in [*range(0, 1792, 32)] * 4:
            student.train_on_batch(X[start : start + 32], Y[start : start + 32])
            pairs = zip(follows(teacher), follows(student), strict=True)
            for own, other in pairs:
                own.assign(0.98 * own + 0.02 * ops.convert_to_tensor(other))
        teacher.compile("sgd", LOSS, metrics=["accuracy"])
        return teacher

    def test_whose_statistics_stayed(self):
        teacher = self.teacher(lambda model: model.trainable_variables)
        diagnosis = lint.diagnose(teacher, X, Y)
        assert diagnosis.causes[0].name == "averaged weights"
        assert "teacher" in diagnosis.causes[0].evidence
        assert diagnosis.remedy == "kerasbn.recalibrate(model, x)"
        scores = diagnosis.scores
        assert scores["recalibrated"].error < scores["inference mode"].error / 4

    def test_whose_statistics_followed_is_healthy(self):
        teacher = self.teacher(lambda model: model.weights)
        assert lint.diagnose(teacher, X, Y).healthy


@pytest.fixture(scope="module")
def of_bytes():
    """A network that begins with `Rescaling(1 / 255)`.

    Later layers lag at this momentum: their statistics alone prove nothing.
    """
    keras.utils.set_random_seed(0)
    inside = [
        part for _ in range(2) for part in (layers.Conv2D(12, 3), BN(), layers.ReLU())
    ]
    front = [keras.Input((64,)), layers.Reshape((8, 8, 1)), layers.Rescaling(1 / 255)]
    top = [layers.GlobalAveragePooling2D(), layers.Dense(10)]
    return fitted(keras.Sequential([*front, *inside, *top]), 255 * X, epochs=6)


class TestRange:
    def test_of_0_to_1_lacks_the_factor(self, of_bytes):
        diagnosis = lint.diagnose(of_bytes, X, Y)
        assert next(iter(names(diagnosis))) == "unlike data"
        assert diagnosis.causes[0].advice.endswith(": x = 255 * x")

    def test_of_bytes_is_right(self, of_bytes):
        causes = lint.diagnose(of_bytes, 255 * X, Y).causes
        assert causes[0].name == "not converged"
        assert not any("x = " in cause.advice for cause in causes)

    def test_without_targets_is_not_guessed_from_statistics_that_lag(self, of_bytes):
        causes = lint.diagnose(of_bytes, X).causes
        assert not any("x = " in cause.advice for cause in causes)


def stacked(discriminator, momentum=0.8):
    keras.utils.set_random_seed(0)
    generator = [layers.Dense(32), BN(momentum=momentum), layers.LeakyReLU()]
    generator = keras.Sequential([keras.Input((16,)), *generator, layers.Dense(64)])
    return keras.Sequential([keras.Input((16,)), generator, discriminator])


class TestStackedGAN:
    NOISE = np.random.default_rng(0).normal(size=(512, 16)).astype("float32")

    @pytest.fixture
    def discriminator(self):
        """One that was trained, on digits and on noise."""
        random = np.random.default_rng(0)
        x = np.concatenate([X, random.normal(0, 3, X.shape).astype("float32")])
        real = np.repeat([[1.0], [0.0]], len(X), axis=0)
        keras.utils.set_random_seed(0)
        inside = [layers.Dense(32), BN(momentum=0.8), layers.LeakyReLU()]
        model = keras.Sequential([keras.Input((64,)), *inside, layers.Dense(1)])
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit(x, real, batch_size=64, epochs=2, verbose=0)
        model.trainable = False
        return model

    def trained(self, model):
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit(self.NOISE, np.ones((512, 1)), epochs=4, verbose=0)
        return lint.diagnose(model, self.NOISE, np.ones((512, 1), "float32"))

    def test_has_a_discriminator_that_is_left_out(self, discriminator):
        diagnosis = self.trained(stacked(discriminator))
        assert diagnosis.healthy
        assert diagnosis.evidence.apart == (discriminator.name,)
        assert f"Left out: {discriminator.name}" in str(diagnosis)

    def test_unless_more_is_trained_behind_it(self, discriminator):
        model = stacked(discriminator)
        model.add(layers.Dense(1))
        assert self.trained(model).evidence.apart == ()

    def test_nor_is_a_base_that_reads_the_data(self, discriminator):
        model = keras.Sequential(
            [keras.Input((64,)), discriminator, layers.Dense(10, name="head")]
        )
        assert lint.diagnose(fitted(model), X, Y).evidence.apart == ()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX and PyTorch run `call`")
class TestOwnCall:
    """A model that replaces Keras' `__call__`, and is never built for it."""

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inside = net(momentum=0.999)

        def __call__(self, x, training=None):
            return self.inside(x, training=training)

    def test_gets_no_flag_in_fit(self):
        (cause,) = lint.diagnose(fitted(self.Own()), X, Y).causes
        assert cause.name == "never moved"
        assert cause.advice.endswith("in Own in place of __call__")

    def test_may_get_it_in_a_loop(self):
        import tensorflow as tf

        model, sgd = self.Own(), keras.optimizers.Adam(3e-3)
        model.compile(sgd, LOSS)
        for start in range(0, 1792, 32):
            with tf.GradientTape() as tape:
                y = model(X[start : start + 32], training=True)
                loss = LOSS(Y[start : start + 32], y)
            variables = model.trainable_variables
            sgd.apply_gradients(
                zip(tape.gradient(loss, variables), variables, strict=True)
            )
        assert names(lint.diagnose(model, X, Y)) == {"not converged": "certain"}
