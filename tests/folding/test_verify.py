"""The proof finds what is wrong, on every backend, and says what it could not prove."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasbn
from kerasbn import NotEqualError, UnusableFileError
from kerasbn.folding import absorb
from kerasbn.folding.proof.float64 import in_float64, relative_difference
from kerasbn.folding.proof.inputs import random_inputs
from kerasbn.folding.routes.absorbing import Absorbing
from kerasbn.graph import Unknown

from .models import L, randomise


def saturated_model():
    """Its softmax returns the same whatever the layers before it do."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            L.Dense(4),
            L.BatchNormalization(),
            L.Dense(2, bias_initializer=keras.initializers.Constant([1e4, -1e4])),
            L.Softmax(),
        ]
    )
    for layer in (model.layers[0], model.layers[1]):
        randomise(keras.Sequential([layer]))
    return model


def let_dense_scale_wrongly(monkeypatch, error):
    dense = absorb.ABSORBERS["Dense"]
    right = dense._scale_outputs

    def wrong(config, kernels, scale):
        return [kernel * (1 + error) for kernel in right(config, kernels, scale)]

    monkeypatch.setattr(dense, "_scale_outputs", wrong)


@pytest.mark.parametrize("error", [1e-6, 1.0])
def test_a_wrong_fold_is_found_behind_a_softmax(monkeypatch, tmp_path, error):
    saturated_model().save(tmp_path / "in.keras")
    let_dense_scale_wrongly(monkeypatch, error)
    with pytest.raises(NotEqualError, match="not equal") as caught:
        kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert caught.value.result.verified is False
    assert [path.name for path in tmp_path.iterdir()] == ["in.keras"]


def chaotic_model():
    """The logistic map doubles a difference 70 times: of 1e-16 it makes anything."""
    inputs = keras.Input((3,))
    x = L.BatchNormalization()(L.Dense(4)(inputs))
    x = keras.ops.sigmoid(x)
    for _ in range(70):
        x = 4 * x * (1 - x)
    return randomise(keras.Model(inputs, x))


def test_a_chaotic_model_is_proven_by_its_parts():
    result = kerasbn.fold_batch_norm(chaotic_model())
    assert result.verified
    assert result.error["float64"] <= 1e-9
    assert "a single rounding" in result.notes[0]


def test_a_wrong_fold_of_a_chaotic_model_is_found(monkeypatch):
    let_dense_scale_wrongly(monkeypatch, 1e-6)
    with pytest.raises(NotEqualError):
        kerasbn.fold_batch_norm(chaotic_model())


def test_a_fold_of_a_shared_layer_is_found(monkeypatch):
    """One of its calls is right by itself; the other one shows the error."""
    inputs = keras.Input((3,))
    shared = L.Dense(3)
    x = L.BatchNormalization()(shared(inputs))
    model = randomise(keras.Model(inputs, shared(x)))
    monkeypatch.setattr(
        Absorbing,
        "absorptions",
        lambda self: tuple(finding for finding, _ in self._found.values()),
    )
    with pytest.raises(NotEqualError):
        kerasbn.fold_batch_norm(model)


def test_a_file_that_does_not_hold_the_folded_weights_is_found(monkeypatch, tmp_path):
    saturated_model().save(tmp_path / "in.keras")
    from kerasbn.folding import fold
    from kerasbn.folding.wide import whole

    write = fold.write_archive

    def lossy(path, source, config, changed, extra):
        rounded = {
            name: [np.float16(whole(values)).astype(values.dtype) for values in arrays]
            for name, arrays in changed.items()
        }
        write(path, source, config, rounded, extra)

    monkeypatch.setattr(fold, "write_archive", lossy)
    with pytest.raises(NotEqualError, match="does not hold the weights of `dense"):
        kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")


def file_with_custom_layer(path):
    @keras.saving.register_keras_serializable("elsewhere")
    class Elsewhere(keras.layers.Layer):
        def call(self, inputs):
            return inputs + 1

    model = keras.Sequential([keras.Input((3,)), L.Dense(4), L.BatchNormalization()])
    model.add(Elsewhere())
    randomise(model).save(path)
    del keras.saving.get_custom_objects()["elsewhere>Elsewhere"]


def test_classes_that_are_not_imported(tmp_path):
    file_with_custom_layer(tmp_path / "in.keras")
    result = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert result.verified
    assert result.error["float64"] <= 1e-9
    assert result.error["float32"] is None
    assert "only the folded layers were verified" in result.notes[0]
    assert "Elsewhere" in result.notes[0]


def test_a_lambda_in_the_file_is_not_run(tmp_path):
    model = keras.Sequential([keras.Input((3,)), L.Dense(4), L.BatchNormalization()])
    model.add(L.Lambda(lambda x: 1 / 0 if not hasattr(x, "_keras_history") else x))
    randomise(model).save(tmp_path / "in.keras")
    result = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert result.verified
    assert "only the folded layers" in result.notes[0]


def test_what_cannot_be_verified_is_not_written(monkeypatch, tmp_path):
    from kerasbn.folding.proof import verify

    file_with_custom_layer(tmp_path / "in.keras")
    monkeypatch.setattr(verify, "unknown_in_call", lambda *_: [Unknown("dense", "it")])
    with pytest.raises(UnusableFileError, match="cannot be verified here"):
        kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert not (tmp_path / "out.keras").exists()


def test_too_large_for_half_precision():
    """That BN stays, the others go."""
    model = keras.Sequential([keras.Input((3,))])
    for name in "de":
        model.add(L.Dense(4, dtype="float16", name=name))
        model.add(L.BatchNormalization(dtype="float16", name=f"bn_{name}"))
        model.add(L.ReLU(dtype="float16"))
    randomise(model)
    bn = model.get_layer("bn_d")
    bn.gamma.assign([6e4, 6e4, 6e4, 6e4])
    bn.moving_variance.assign([0, 0, 0, 0])
    result = kerasbn.fold_batch_norm(model)
    assert [entry["layer"] for entry in result.folded] == ["bn_e"]
    assert result.kept == [
        {
            "layer": "bn_d",
            "reason": "the folded weights of `d` are too large for float16",
        }
    ]


def test_inputs_fit_what_a_model_asks_for():
    inputs = {
        "ids": keras.Input((None,), dtype="int32", name="ids"),
        "image": keras.Input((None, None, 3), name="image"),
        "flag": keras.Input((), dtype="bool", name="flag"),
    }
    model = keras.Model(inputs, {key: L.Identity()(x) for key, x in inputs.items()})
    values = random_inputs(model, np.random.default_rng(0))
    assert sorted(values) == ["flag", "ids", "image"]
    assert values["ids"].dtype == np.int32
    assert set(np.unique(values["ids"])) == {0, 1}
    assert values["image"].shape[1:] == (96, 96, 3)
    assert values["flag"].dtype == bool


def test_a_fixed_batch_size():
    inputs = keras.Input(batch_shape=(5, 4, 3))
    x = L.BatchNormalization()(L.Dense(4)(inputs))
    x = keras.ops.reshape(x, (5, 16)) + keras.ops.ones((5, 16))
    result = kerasbn.fold_batch_norm(randomise(keras.Model(inputs, x)))
    assert result.verified
    assert len(result.folded) == 1
    assert result.notes == []


def test_relative_difference():
    one, other = np.array([1.0, -4.0]), np.array([1.0, -4.4])
    assert relative_difference([one], [other]) == pytest.approx(0.1)
    assert relative_difference([0 * one], [0 * one + 0.5]) == 0.5
    assert relative_difference([one], [np.array([1.0, np.nan])]) == np.inf
    assert relative_difference([one, one], [one, other]) == pytest.approx(0.1)
    assert relative_difference([np.array([1, 2])], [np.array([1, 3])]) == np.inf


def test_in_float64_changes_every_float_and_nothing_else():
    config = {
        "dtype": {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
        "layers": [{"dtype": "bfloat16"}, {"dtype": "int32"}, {"name": "float32"}],
    }
    assert in_float64(config) == {
        "dtype": "float64",
        "layers": [{"dtype": "float64"}, {"dtype": "int32"}, {"name": "float32"}],
    }


@pytest.mark.long
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="run from there for the others"
)
@pytest.mark.parametrize(
    ("backend", "tests"), [("jax", "channels_first"), ("torch", "Dense or formula")]
)
def test_folding_on_another_backend(backend, tests):
    folder = pathlib.Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", folder / "test_absorb.py", "-k", tests],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
