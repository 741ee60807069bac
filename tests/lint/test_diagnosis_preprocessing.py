"""Data without the preprocessing of the training: the diagnosis names it."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_sample_images, load_wine

import lint
from lint.diagnosis import gathering

pytestmark = pytest.mark.every_backend

BN = layers.BatchNormalization
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
PREPROCESS = "keras.applications.imagenet_utils.preprocess_input"
CHINA, FLOWER = load_sample_images().images
CORNERS = [(row, column) for row in range(0, 384, 32) for column in range(0, 608, 32)]
IMAGES = np.stack(
    [
        photo[row : row + 12, column : column + 12]
        for row, column in CORNERS
        for photo in (CHINA, FLOWER)
    ]
).astype("float32")
LABELS = np.tile([0, 1], len(CORNERS))


def normalizing(x, format="channels_last"):
    """Make a network whose running statistics are those of `x`."""
    keras.utils.set_random_seed(0)
    head = layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=9))
    inside = [BN(momentum=0.5), layers.Dense(8), BN(momentum=0.5), head]
    if x.ndim == 4:
        axis = 1 if format == "channels_first" else -1
        front = [BN(axis=axis, momentum=0.5), layers.GlobalAveragePooling2D(format)]
        inside = [*front, *inside[1:]]
    model = keras.Sequential([keras.Input(x.shape[1:]), *inside])
    model.compile("sgd", LOSS)
    for _ in range(20):
        model(x, training=True)
    return model


def answers(model, x):
    return np.argmax(model.predict(x, verbose=0), axis=1)


def causes(model, x, y=None):
    return lint.diagnose(model, x, y, steps=8).causes


FORMS = [
    ("x", "x / 127.5 - 1"),
    ("x", f'{PREPROCESS}(x, mode="caffe")'),
    ("x", "(x - x.mean()) / x.std()"),
    ("x / 255", "x[..., ::-1]"),
    ("x", "x / 255"),
    ("x", "x[..., ::-1]"),
    ("x", f'{PREPROCESS}(x, mode="torch")'),
    ("x / 255", "255 * x"),
    ("x / 255", "2 * x - 1"),
    ("x / 255", f'{PREPROCESS}(255 * x, mode="caffe")'),
    ("x / 127.5 - 1", "127.5 * (x + 1)"),
    ("x / 127.5 - 1", "(x + 1) / 2"),
    ("x / 127.5 - 1", "((x + 1) / 2)[..., ::-1]"),
]


@pytest.mark.parametrize(
    ("given", "code"),
    [*FORMS[:4], *(pytest.param(*form, marks=pytest.mark.long) for form in FORMS[4:])],
)
def test_of_images(given, code):
    x = eval(given, {"x": IMAGES})
    trained_with = eval(code, {"x": x.copy(), "keras": keras})
    model = normalizing(trained_with)
    labels = answers(model, trained_with)
    diagnosis = lint.diagnose(model, x, labels, steps=40)
    (cause,) = diagnosis.causes
    assert (cause.name, cause.certainty) == ("unlike data", "likely")
    assert cause.advice.endswith(f": x = {code}")
    scores = diagnosis.scores
    right = model.evaluate(trained_with, labels, verbose=0)
    tried = scores["preprocessed as in training"].loss.mean
    assert tried == pytest.approx(right, rel=0.1, abs=0.01)
    assert f"Trial: with {code}, the loss would be" in " ".join(str(diagnosis).split())


def test_of_bytes():
    (cause,) = causes(normalizing(IMAGES / 255), IMAGES.astype("uint8"))
    assert cause.advice.endswith(": x = x / 255")


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="CPU kernels lack channels_first"
)
def test_of_channels_first():
    x = IMAGES.transpose(0, 3, 1, 2)
    (cause,) = causes(normalizing(x[:, ::-1] / 255, "channels_first"), x)
    assert cause.advice.endswith(": x = (x / 255)[:, ::-1]")


@pytest.mark.parametrize(
    "code",
    ["(x - x.mean(0)) / x.std(0)", "(x - x.min(0)) / (x.max(0) - x.min(0))"],
)
def test_of_tables(code):
    x = load_wine().data.astype("float32")
    (cause,) = causes(normalizing(eval(code, {"x": x})), x)
    assert cause.advice.endswith(f": x = {code}")


def test_of_batches():
    batches = [(IMAGES[i : i + 32], LABELS[i : i + 32]) for i in range(0, 256, 32)]
    (cause,) = causes(normalizing(IMAGES / 255), batches)
    assert cause.advice.endswith(": x = x / 255")


class TestNoneIsNamed:
    def advice(self, model, x, y=None):
        return " ".join(cause.advice for cause in causes(model, x, y))

    def test_where_no_usual_one_fits(self):
        model = normalizing(IMAGES / 255)
        assert "x =" not in self.advice(model, (IMAGES / 255) ** 3)

    def test_where_it_makes_the_loss_worse(self):
        x = load_wine().data.astype("float32")
        model = normalizing((x - x.mean(0)) / x.std(0))
        y = answers(model, x)  # They are right as they are.
        assert "x =" not in self.advice(model, x, y)

    def test_where_statistics_are_initial(self):
        x = load_wine().data.astype("float32")
        model = normalizing(x)
        for layer in model.layers:
            if isinstance(layer, BN):
                layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
                layer.moving_variance.assign(np.ones(layer.moving_mean.shape))
        found = causes(model, x)
        assert found[0].name == "never moved"
        assert "x =" not in self.advice(model, x)

    def test_of_several_inputs(self):
        inputs = keras.Input((12, 12, 3)), keras.Input((12, 12, 3))
        x = BN(momentum=0.5)(layers.Concatenate()(inputs))
        model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
        for _ in range(20):
            model([IMAGES / 255, IMAGES / 255], training=True)
        assert "x =" not in self.advice(model, [IMAGES, IMAGES])

    def test_of_indices(self, monkeypatch):
        inside = [layers.Embedding(9, 4), layers.Flatten(), BN(momentum=0.5)]
        model = keras.Sequential([keras.Input((6,)), *inside])
        x = np.random.default_rng(0).integers(0, 9, (64, 6))
        for _ in range(20):
            model(x, training=True)
        monkeypatch.setattr(gathering, "fitting_preprocessing", pytest.fail)
        assert lint.diagnose(model, x // 8).causes

    @pytest.mark.parametrize("shape", [(), (3,)])
    def test_of_batches_of_unlike_lengths(self, shape):
        front = layers.Reshape((-1, 3 if shape else 1))
        inside = [front, layers.Conv1D(4, 3), BN(momentum=0.5)]
        pool = layers.GlobalAveragePooling1D()
        model = keras.Sequential([keras.Input((None, *shape)), *inside, pool])
        random = np.random.default_rng(0)
        batches = [
            random.normal(0, 1, (32, length, *shape)).astype("float32")
            for length in (7, 9, 12, 7)
        ]
        for batch in 20 * batches:
            model(batch, training=True)
        assert lint.diagnose(model, [(300 * batch,) for batch in batches]).causes
