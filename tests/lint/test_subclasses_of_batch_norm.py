"""Saved models whose batch normalization is of somebody's own class."""

import keras
import numpy as np
import pytest
from keras import layers

import lint

BN = layers.BatchNormalization


@keras.saving.register_keras_serializable("subclass_tests")
class Mine(BN):
    """Its configuration is that of batch normalization."""


@keras.saving.register_keras_serializable("subclass_tests")
class Forced(BN):
    def call(self, x, training=None, mask=None):
        return super().call(x, training=False, mask=mask)


@keras.saving.register_keras_serializable("subclass_tests")
class Bare(BN):
    """Its configuration says nothing; its weights do."""

    def __init__(self, name=None, **_):
        super().__init__(name=name)

    def get_config(self):
        return {"name": self.name}


@keras.saving.register_keras_serializable("subclass_tests")
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn, self.head = BN(name="bn"), layers.Dense(1)

    def call(self, x):
        return self.head(self.bn(x))


@keras.saving.register_keras_serializable("subclass_tests")
class Block(layers.Layer):
    def __init__(self, flag=None, **options):
        super().__init__(**options)
        self.flag, self.bn = flag, Mine(momentum=0.9, name="inner")

    def build(self, shape):
        self.bn.build(shape)

    def call(self, x, training=None):
        return self.bn(x, training=training if self.flag is None else self.flag)

    def get_config(self):
        return {**super().get_config(), "flag": self.flag}


def found(model, path, optimizer=True):
    x = np.random.default_rng(0).normal(1, 2, (160, 6)).astype("float32")
    model.compile("sgd", "mean_squared_error")
    model.fit(x, x[:, :1], batch_size=8, epochs=20, verbose=0)
    if not optimizer:
        model.optimizer = None
    model.save(path)
    return {
        (finding.code, finding.severity.value, finding.layer)
        for finding in lint.check(path)
    }


def sequential(*inside):
    return keras.Sequential([keras.Input((6,)), *inside, layers.Dense(1)])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Mine(momentum=0.9, name="b"), set()),
        (Mine(momentum=0.1, name="b"), {("BN201", "error", "b")}),
        (Forced(momentum=0.9, name="b"), {("BN203", "error", "b")}),
        (Bare(name="b"), {("BN002", "info", "b")}),
    ],
)
def test_are_known_by_configuration_or_weights(tmp_path, layer, expected):
    assert found(sequential(layer), tmp_path / "m.keras") == expected


def test_are_known_inside_a_wrapper(tmp_path):
    each = layers.TimeDistributed(Mine(momentum=0.1, name="b"), name="each")
    model = sequential(layers.Reshape((2, 3)), each, layers.Flatten())
    assert ("BN201", "error", "each/b") in found(model, tmp_path / "m.keras")


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_are_known_inside_a_layer_by_weights(tmp_path, name):
    lost = found(sequential(Block(False, name="block")), tmp_path / name)
    assert ("BN203", "error", "block/inner") in lost
    kept = found(sequential(Block(name="block")), tmp_path / name)
    assert kept == {("BN002", "info", "block/inner")}


def test_steps_count_for_a_subclass_as_for_the_layer(tmp_path):
    findings = found(sequential(Mine(momentum=0.9999, name="b")), tmp_path / "m.keras")
    assert ("BN204", "warning", "b") in findings


@pytest.mark.parametrize("optimizer", [True, False])
def test_of_a_subclassed_model_gamma_tells_that_it_was_trained(tmp_path, optimizer):
    expected = "error" if optimizer else "warning"
    findings = found(Net(), tmp_path / "m.keras", optimizer)
    assert ("BN203", expected, "bn") in findings
