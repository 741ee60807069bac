"""Healthy networks of all kinds: the diagnosis says so, and nothing else."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import kerasbn
import lint

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
IMAGES = X.reshape(-1, 8, 8, 1)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def bn(**options):
    return layers.BatchNormalization(momentum=0.9, **options)


def dense(*inside, normalize=bn):
    return [layers.Dense(24), normalize(), layers.ReLU(), *inside, layers.Dense(10)]


def conv(*inside):
    return [
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(8, 3, use_bias=False),
        bn(),
        layers.ReLU(),
        *inside,
        layers.Conv2D(8, 3, strides=2),
        bn(),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    ]


def residual(x):
    x = layers.Dense(24)(x)
    for _ in range(2):
        x = x + layers.Dense(24)(layers.ReLU()(bn()(x)))
    return layers.Dense(10)(layers.ReLU()(bn()(x)))


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = dense(layers.Dropout(0.2))

    def call(self, x, training=None):
        for part in self.parts:
            flag = {"training": training} if part.name.startswith("batch") else {}
            x = part(x, **flag)
        return x


NETWORKS = {
    "dense": dense(),
    "two layers": [layers.Dense(32), bn(), layers.ReLU(), *dense()],
    "BN first": [bn(), *dense()],
    "BN behind the nonlinearity": [layers.Dense(24, "tanh"), bn(), layers.Dense(10)],
    "dropout at the end": dense(layers.Dropout(0.5)),
    "dropout before BN": [layers.Dense(64, "relu"), layers.Dropout(0.5), *dense()],
    "dropout of the input": [layers.Dropout(0.3), *dense()],
    "noise": [layers.GaussianNoise(0.3), *dense()],
    "alpha dropout": dense(layers.AlphaDropout(0.2)),
    "no scale": dense(normalize=lambda: bn(scale=False)),
    "neither scale nor center": dense(normalize=lambda: bn(scale=False, center=False)),
    "zero debias": dense(
        normalize=lambda: kerasbn.BatchNormalization(zero_debias=True)
    ),
    "convolutions": conv(),
    "convolutions, spatial dropout": conv(layers.SpatialDropout2D(0.2)),
    "convolutions, random flips": [
        layers.Reshape((8, 8, 1)),
        layers.RandomTranslation(0.1, 0.1),
        *conv(),
    ],
    "layer normalization too": dense(layers.LayerNormalization()),
    "pixel by pixel": [
        layers.Reshape((8, 8)),
        kerasbn.BatchNormalization(axis=[1, 2], momentum=0.9),
        layers.Flatten(),
        *dense(),
    ],
    "half precision": dense(
        normalize=lambda: bn(dtype=keras.DTypePolicy("mixed_bfloat16"))
    ),
    "residual": residual,
    "own class": Own,
    "no batch normalization": [layers.Dense(24, "relu"), layers.Dense(10)],
}
assert len(NETWORKS) >= 20
# Those that differ most; the others take minutes.
ALWAYS = ("dense", "dropout before BN")


def built(what):
    if what is Own:
        return Own()
    x = keras.Input((64,))
    if callable(what):
        return keras.Model(x, what(x))
    return keras.Sequential([x, *what])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ALWAYS else pytest.mark.long)
        for name in NETWORKS
    ],
)
def test_is_healthy(name):
    keras.utils.set_random_seed(0)
    model = built(NETWORKS[name])
    model.compile(keras.optimizers.Adam(3e-3), LOSS, metrics=["accuracy"])
    model.fit(X, Y, epochs=4, batch_size=32, verbose=0)
    diagnosis = lint.diagnose(model, X, Y, steps=16)
    assert diagnosis.healthy, str(diagnosis)
    assert diagnosis.remedy is None
    assert "Healthy" in str(diagnosis)
    without_loss = lint.diagnose(model, X, steps=8)
    assert without_loss.healthy, str(without_loss)


@pytest.mark.long
def test_a_regression_is_healthy():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(24), bn(), layers.ReLU(), layers.Dense(2)]
    )
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    aim = np.stack([X[:, 20:40].sum(1), IMAGES[:, 2:6].sum((1, 2, 3))], 1)
    model.fit(X, aim, epochs=4, verbose=0)
    assert lint.diagnose(model, X, aim, steps=16).healthy


@pytest.mark.long
def test_two_outputs_are_healthy():
    keras.utils.set_random_seed(0)
    x = keras.Input((64,))
    hidden = layers.ReLU()(bn()(layers.Dense(24)(x)))
    model = keras.Model(
        x,
        {
            "digit": layers.Dense(10, name="digit")(hidden),
            "light": layers.Dense(1, name="light")(hidden),
        },
    )
    model.compile(
        "adam",
        {"digit": LOSS, "light": "mse"},
        metrics={"digit": "accuracy", "light": "mae"},
    )
    y = {"digit": Y, "light": X.mean(1, keepdims=True)}
    model.fit(X, y, epochs=4, verbose=0)
    diagnosis = lint.diagnose(model, X, y, steps=16)
    assert diagnosis.healthy
    assert set(diagnosis.scores["inference mode"].metrics) == {
        "digit_accuracy",
        "light_mae",
    }
