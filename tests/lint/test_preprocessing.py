"""BN107 on models: which layers leak, into what, in which Keras."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

import lint
from lint.rules import rule_by_code
from lint.subjects.live_model import read_live_model

layers = keras.layers
SHAPE = (8, 8, 3)


def sequential(*parts):
    return keras.Sequential([keras.Input(SHAPE), *parts])


def found(model, version=None):
    subject = read_live_model(model)
    if version is not None:
        subject = replace(subject, keras_version=version)
    return [each.layer for each in rule_by_code("BN107").check_model(subject)]


def moves_when_called(model, bn):
    model(np.random.default_rng(0).normal(5, 2, (4, *SHAPE)).astype("float32"))
    return bool(np.abs(bn.moving_mean.numpy()).max() > 0)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.RandomFlip(),
        lambda: layers.RandomContrast(0.1),
        lambda: layers.Resizing(4, 4),
        lambda: layers.CenterCrop(4, 4),
        lambda: layers.Solarization(),
        lambda: layers.AutoContrast(),
        lambda: layers.Rescaling(2.0),
        lambda: layers.GaussianNoise(0.1),
        lambda: layers.Normalization(mean=0.0, variance=1.0),
        lambda: layers.Equalization(),
    ],
)
def test_reports_just_what_keras_does(layer):
    preprocessing, bn = layer(), layers.BatchNormalization()
    model = sequential(preprocessing, layers.ReLU(), bn)
    leaks = moves_when_called(model, bn)
    assert found(model) == ([preprocessing.name] if leaks else [])


def test_nested_on_either_side():
    augmentation = sequential(layers.RandomFlip(name="flip"))
    network = sequential(layers.Conv2D(4, 3), layers.BatchNormalization())
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, network(augmentation(inputs)))
    assert found(model) == [f"{augmentation.name}/flip"]


def test_what_is_right():
    flip, bn = layers.RandomFlip(), layers.BatchNormalization()
    assert not found(sequential(bn, flip))
    assert not found(sequential(flip, layers.Conv2D(4, 3)))
    frozen = layers.BatchNormalization(trainable=False)
    assert not found(sequential(layers.RandomFlip(), frozen))
    inputs = keras.Input(SHAPE)
    flipped = layers.RandomFlip()(inputs, training=False)
    assert not found(keras.Model(inputs, layers.BatchNormalization()(flipped)))


@pytest.mark.parametrize(
    ("version", "flip", "resizing"),
    [
        ("2.15.0", False, False),
        ("3.5.0", True, False),
        ("3.6.0", True, True),
        ("3.15.1", True, True),
        ("3.16.0", False, False),
    ],
)
def test_by_version(version, flip, resizing):
    bn = layers.BatchNormalization
    assert bool(found(sequential(layers.RandomFlip(), bn()), version)) is flip
    assert bool(found(sequential(layers.Resizing(4, 4), bn()), version)) is resizing


def test_saved(tmp_path):
    model = sequential(layers.RandomFlip(), layers.BatchNormalization())
    model.save(tmp_path / "m.keras")
    (finding,) = lint.check(tmp_path / "m.keras")
    assert (finding.code, finding.severity) == ("BN107", "warning")
