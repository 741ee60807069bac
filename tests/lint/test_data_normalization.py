"""BN215 on saved and live models: `Normalization` layers at any depth."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import lint

X = np.random.default_rng(0).normal(50, 20, size=(64, 3)).astype("float32")
CONSTANT = X * [1, 0, 1]


def model_of(normalization):
    inner = keras.Sequential([keras.Input((3,)), normalization], name="inner")
    return keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])


def adapted_to(data):
    layer = keras.layers.Normalization(name="scale")
    layer.adapt(data)
    return layer


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: keras.layers.Normalization(name="scale"), "never adapted"),
        (lambda: adapted_to(X), ""),
        (lambda: adapted_to(CONSTANT), "1 feature was constant"),
        (lambda: adapted_to(CONSTANT * 0), "3 features were constant"),
        (lambda: keras.layers.Normalization(mean=0.0, variance=1.0, name="scale"), ""),
    ],
    ids=["new", "adapted", "one constant", "all constant", "given"],
)
@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"], ids=["live", "keras", "h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5.*")
def test_normalization(make, expected, suffix, tmp_path):
    target = model = model_of(make())
    if suffix:
        target = tmp_path / f"model{suffix}"
        model.save(target)
    findings = lint.check(target, select=["BN215"])
    severity = "warning" if "never" in expected else "info"
    assert [
        (finding.location.layer, finding.severity.value) for finding in findings
    ] == ([("inner/scale", severity)] if expected else [])
    assert all(finding.message.startswith(expected) for finding in findings)


@pytest.mark.parametrize(
    ("make", "data", "expected"),
    [
        (lambda: keras.layers.Normalization(name="scale"), X, "never adapted"),
        (lambda: adapted_to(CONSTANT), X, "constant in the data"),
        (lambda: adapted_to(CONSTANT), CONSTANT, ""),
        (lambda: adapted_to(X), X, ""),
    ],
    ids=["new", "one constant", "as constant", "adapted"],
)
def test_diagnosis_names_the_layer(make, data, expected):
    keras.utils.set_random_seed(0)
    model = model_of(make())
    y = CONSTANT[:, :1]
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(CONSTANT, (y - y.mean()) / y.std(), epochs=30, verbose=0)
    diagnosis = lint.diagnose(model, data, (y - y.mean()) / y.std())
    found = [
        cause.evidence for cause in diagnosis.causes if "inner/scale" in cause.layers
    ]
    assert all(expected in why for why in found)
    assert bool(found) is bool(expected)
    assert diagnosis.healthy is not bool(expected)
