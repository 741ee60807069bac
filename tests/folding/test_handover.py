"""A destination of another format: exported by Keras, run beside the original."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import kerasbn
from kerasbn import NotEqualError, UnusableFileError
from kerasbn.cli import main
from kerasbn.folding.handover import format_of, formats

from .models import L, outputs, randomise

PLACES = {"onnx": "out.onnx", "litert": "out.tflite", "saved_model": "out"}


def model():
    """Two inputs and two outputs of one shape, which must not be confused."""
    one, other = keras.Input((6, 6, 3), name="z"), keras.Input((4,), name="a")
    x = L.BatchNormalization()(L.Conv2D(4, 3)(one))
    x = L.Dense(2, name="last")(L.Flatten()(L.ReLU()(x)))
    return randomise(keras.Model([one, other], [x, L.Dense(2, name="first")(other)]))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "in.keras"
    model().save(path)
    return path


def run_onnx(path, inputs):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path))
    return session.run(None, dict(zip(("z", "a"), inputs, strict=True)))


def run_litert(path, inputs):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(str(path)).get_signature_runner()
    found = runner(**dict(zip(("z", "a"), inputs, strict=True)))
    return [found["output_0"], found["output_1"]]


def run_saved_model(path, inputs):
    return keras.layers.TFSMLayer(str(path), "serve")(list(inputs))


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_written_computes_the_same(saved, tmp_path, kind):
    if kind == "onnx":
        pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    destination = tmp_path / PLACES[kind]
    done = CliRunner().invoke(main, [str(saved), str(destination), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout[done.stdout.index("{") :])
    assert report["verified"] is True
    assert report["export"]["error"] < 1e-5
    assert list(tmp_path.iterdir()) == [destination]
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(5, 6, 6, 3)), rng.normal(size=(5, 4))]
    inputs = [array.astype("float32") for array in inputs]
    expected = outputs(keras.models.load_model(saved), inputs)
    received = globals()[f"run_{kind}"](destination, inputs)
    for one, other in zip(expected, received, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


def test_a_live_result(tmp_path):
    result = kerasbn.fold_batch_norm(model())
    assert result.export(tmp_path / "out").error < 1e-5
    with pytest.raises(UnusableFileError, match="exists"):
        result.export(tmp_path / "out")
    with pytest.raises(UnusableFileError, match=r"result\.model\.save"):
        result.export(tmp_path / "out.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_differs_is_not_left(saved, tmp_path, monkeypatch):
    right = formats.Format.run

    def wrong(*arguments):
        first, second = right(*arguments)
        return [first, second * (1 + 1e-3)]

    monkeypatch.setattr(formats.Format, "run", wrong)
    with pytest.raises(NotEqualError, match="SavedModel export is not equal") as caught:
        kerasbn.fold_file(saved, tmp_path / "out", verify=False)
    assert caught.value.result.export_run.error > 1e-5
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_leaves_nothing(saved, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(keras.Model, "export", fail)
    with pytest.raises(UnusableFileError, match=r"no such operator.*\.keras"):
        kerasbn.fold_file(saved, tmp_path / "out", verify=False)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_one_message(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    for suffix, extra in ((".onnx", "onnx"), (".tflite", "litert")):
        with pytest.raises(UnusableFileError, match=rf"kerasbn\[{extra}\]"):
            kerasbn.fold_file(saved, tmp_path / f"out{suffix}")


def test_a_dry_run_exports_nothing(saved, tmp_path):
    result = kerasbn.fold_file(saved, tmp_path / "out", dry_run=True)
    assert result.export_run is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.keras", "Keras"),
        ("a.ONNX", "ONNX"),
        ("a.tflite", "LiteRT"),
        ("folder", "SavedModel"),
        ("net_v1.2", "SavedModel"),
        ("a.keras/", "SavedModel"),
    ],
)
def test_the_name_chooses(name, expected):
    assert format_of(name).name == expected


@pytest.mark.parametrize("name", ["a.h5", "a.kears", "a.tflit", "a.svg"])
def test_names_that_nobody_means_a_folder_with(name):
    with pytest.raises(UnusableFileError, match=r"must end in \.keras"):
        format_of(name)
