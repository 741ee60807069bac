"""Files of every version in, plain Keras files out; the command and its contract."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import kerasbn
from kerasbn import UnusableFileError
from kerasbn.cli import main

from .models import L, outputs, randomise, sample

SAVED = pathlib.Path(__file__).parent.parent / "fixtures" / "saved_models"
OLDER = [
    pytest.param(f"keras-3.{minor}", marks=pytest.mark.long) for minor in (4, 8, 12)
]

FOLDED = {
    "functional": ["bn_conv", "bn_separable", "bn_depthwise", "bn_out"],
    "nested": ["inner/bn", "stack/bn", "twice/bn"],
    "dict_outputs": ["inner/bn", "stack/bn", "twice/bn"],
    "sequential": ["bn_conv", "bn_dense"],
    "training_flag": ["bn_first"],
    "mixed_float16": ["bn_first", "bn_second"],
    "bfloat16": ["bn_first", "bn_second"],
}
TOLERANCE = {"mixed_float16": 2e-3, "bfloat16": 2e-2}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("version", [*OLDER, "keras-3.15"])
def test_files_of_real_versions(version, name, suffix, tmp_path):
    source = SAVED / version / (name + suffix)
    if not source.exists():
        return  # Not every model has a legacy twin.
    destination = tmp_path / "out.keras"

    result = kerasbn.fold_file(source, destination)

    assert [entry["layer"] for entry in result.folded] == FOLDED[name]
    assert result.verified
    assert result.error["float64"] <= 1e-12
    model = keras.models.load_model(destination)
    stored = np.load(source.with_suffix(".npz"))
    inputs = [stored[key] for key in stored if key.startswith("in_")]
    expected = [stored[key] for key in stored if not key.startswith("in_")]
    # Files before Keras 3.12 ask for a list even of one input.
    listed = isinstance(getattr(model, "input", None), list)
    received = outputs(model, inputs if listed else inputs[0])
    for one, other in zip(expected, received, strict=True):
        scale = np.abs(one).max()
        assert np.abs(one - other).max() <= scale * TOLERANCE.get(name, 1e-5)


KERAS_2 = ("functional", "nested", "dict_outputs", "sequential", "training_flag")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("stem", KERAS_2)
def test_files_of_keras_2_return_what_they_returned_there(stem, suffix, tmp_path):
    source = SAVED / "tf_keras-2" / f"{stem}{suffix}"
    if not source.exists():
        pytest.skip("Keras 2 does not write it")
    result = kerasbn.fold_file(source, tmp_path / "out.keras", verify=False)
    assert any("Keras 2" in note for note in result.notes)
    model = keras.models.load_model(tmp_path / "out.keras")
    stored = np.load(source.with_suffix(".npz"))
    inputs = [stored[key] for key in stored if key.startswith("in_")]
    expected = [stored[key] for key in stored if not key.startswith("in_")]
    # In Keras 3 `predict` overrides the flag of a call; a plain call does not.
    received = keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0]))
    for one, other in zip(expected, received, strict=True):
        assert np.abs(one - np.asarray(other)).max() <= np.abs(one).max() * 1e-5


def test_a_layer_that_keras_3_does_not_have_is_named(tmp_path):
    with pytest.raises(UnusableFileError, match=r"axis=\[1, 2\].*load_model"):
        kerasbn.fold_file(SAVED / "tf_keras-2" / "axes.h5", tmp_path / "out.keras")


def test_subclassed_models_are_refused_with_the_way_out(tmp_path):
    source = SAVED / "keras-3.15" / "subclassed.keras"
    with pytest.raises(UnusableFileError, match="neither Functional nor Sequential"):
        kerasbn.fold_file(source, tmp_path / "out.keras")


@pytest.fixture
def saved(tmp_path):
    """A model with one BN that folds and one that stays, in a file."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            kerasbn.BatchNormalization(name="first"),
            L.ReLU(name="relu"),
            L.Dense(4, name="dense"),
            kerasbn.BatchNormalization(name="second", zero_debias=True),
        ]
    )
    path = tmp_path / "in.keras"
    randomise(model).save(path)
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_both_ways_give_the_same_weights(saved, tmp_path):
    from_file = tmp_path / "file.keras"
    kerasbn.fold_file(saved, from_file)
    live = kerasbn.fold_batch_norm(keras.models.load_model(saved)).model
    for one, other in zip(
        keras.models.load_model(from_file).get_weights(),
        live.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_the_command(saved, tmp_path):
    done = run(saved, tmp_path / "out.keras")
    assert done.exit_code == 0, done.output
    assert "folded into dense" in done.output
    assert "kept: reads an input of the model; is read by ReLU `relu`" in done.output
    assert "1 of 2 BN layers folded" in done.output
    assert "Verified: relative error" in done.output
    model = keras.models.load_model(saved)
    x = sample(model)
    np.testing.assert_allclose(
        outputs(keras.models.load_model(tmp_path / "out.keras"), x)[0],
        outputs(model, x)[0],
        rtol=1e-5,
        atol=1e-5,
    )


def test_json_keeps_to_the_contract(saved, tmp_path):
    done = run(saved, tmp_path / "out.keras", "--json")
    report = json.loads(done.stdout)
    assert list(report) == [
        "source",
        "destination",
        "batch_norms",
        "folded",
        "kept",
        "verified",
        "error",
        "proof",
        "not_run",
        "notes",
        "message",
        "before",
        "after",
        "export",
    ]
    assert report["source"] == str(saved)
    assert report["destination"] == str(tmp_path / "out.keras")
    assert report["batch_norms"] == 2
    assert report["folded"] == [
        {"layer": "second", "into": ["dense"], "route": "backward"}
    ]
    assert [sorted(kept) for kept in report["kept"]] == [["layer", "reason"]]
    assert report["verified"] is True
    assert report["proof"] == "whole"
    assert report["error"]["float64"] <= 1e-9
    assert report["error"]["float32"] <= 1e-5


def test_json_is_printed_on_failure_too(tmp_path):
    done = run(tmp_path / "missing.keras", tmp_path / "out.keras", "--json")
    assert done.exit_code == 2
    report = json.loads(done.stdout)
    assert report["verified"] is None
    assert report["error"] == {"float64": None, "float32": None}
    assert "No such file" in done.stderr


def test_not_equal_is_1_and_writes_nothing(saved, tmp_path, monkeypatch):
    from kerasbn.folding.proof import verify

    monkeypatch.setattr(verify, "segment_difference", lambda *_: 0.5)
    done = run(saved, tmp_path / "out.keras", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["verified"] is False
    assert "Nothing was written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.keras"]


def test_a_batch_norm_without_its_options_has_keras_defaults(saved, tmp_path):
    bare = tmp_path / "bare.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(bare, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                model = json.loads(content)
                for layer in model["config"]["layers"]:
                    if layer["class_name"] == "BatchNormalization":
                        layer["config"] = {"name": layer["config"]["name"]}
                content = json.dumps(model).encode()
            new.writestr(name, content)
    result = kerasbn.fold_file(bare, tmp_path / "out.keras")
    assert result.folded
    assert result.error["float64"] <= 1e-12


def test_no_verify(saved, tmp_path):
    done = run(saved, tmp_path / "out.keras", "--no-verify", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["verified"] is None
    assert (tmp_path / "out.keras").exists()


def test_dry_run_writes_nothing(saved, tmp_path):
    done = run(saved, tmp_path / "out.keras", "--dry-run")
    assert done.exit_code == 0
    assert "1 of 2 BN layers would be folded" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.keras"]


def test_existing_destination(saved, tmp_path):
    destination = tmp_path / "out.keras"
    destination.write_text("precious")
    done = run(saved, destination, "--no-verify")
    assert done.exit_code == 2
    assert "exists" in done.stderr
    assert destination.read_text() == "precious"
    assert run(saved, destination, "--no-verify", "--force").exit_code == 0
    assert zipfile.is_zipfile(destination)


def test_in_place(saved):
    assert run(saved, saved, "--force").exit_code == 0
    assert len(keras.models.load_model(saved).layers) == 4


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("missing/out.keras", "cannot be written"),
        ("in.keras/out.keras", "cannot be written"),
        ("out.h5", "must end in .keras"),
        ("out.txt", "add a slash"),
        ("out.safetensors", "must end in .keras"),
    ],
)
def test_unusable_destination(saved, tmp_path, destination, message):
    done = run(saved, tmp_path / destination, "--no-verify")
    assert done.exit_code == 2
    assert message in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.keras"]


def damaged(saved):
    """Names and contents of files that are no usable models."""
    whole = saved.read_bytes()
    yield "empty.keras", b""
    yield "text.keras", b"not a model"
    yield "half.keras", whole[: len(whole) // 2]
    yield "magic.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)


def test_unusable_sources(saved, tmp_path):
    for name, content in damaged(saved):
        source = tmp_path / name
        source.write_bytes(content)
        done = run(source, tmp_path / "out.keras")
        assert done.exit_code == 2, name
        assert done.stderr.startswith("Error: "), name
        assert len(done.stderr.splitlines()) == 1, name
        assert not (tmp_path / "out.keras").exists(), name


def test_weights_that_are_missing(saved, tmp_path):
    with zipfile.ZipFile(saved) as source:
        config = json.loads(source.read("config.json"))
        for entry in config["config"]["layers"]:
            if entry["config"]["name"] == "second":
                entry["config"]["name"] = "renamed"
        changed = tmp_path / "changed.keras"
        with zipfile.ZipFile(changed, "w") as target:
            target.writestr("config.json", json.dumps(config))
            for name in ("metadata.json", "model.weights.h5"):
                target.writestr(name, source.read(name))
    done = run(changed, tmp_path / "out.keras")
    assert done.exit_code == 2
    assert "no weights for the layer `renamed`" in done.stderr


@pytest.mark.long
def test_import_of_custom_classes(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Tripled(keras.layers.Layer):\n"
        "    def call(self, inputs):\n"
        "        return 3 * inputs\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import my_layers

    model = keras.Sequential([keras.Input((3,)), L.Dense(4), L.BatchNormalization()])
    model.add(my_layers.Tripled())
    randomise(model).save("in.keras")
    command = [sys.executable, "-m", "kerasbn.cli", "in.keras", "out.keras", "--json"]
    without = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(without.stdout)["error"]["float32"] is None
    command += ["--force", "--import", "my_layers"]
    with_it = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(with_it.stdout)["error"]["float32"] < 1e-5
    failed = run("in.keras", "out.keras", "--force", "--import", "nowhere")
    assert failed.exit_code == 2
    assert "Received: nowhere" in failed.stderr


@pytest.mark.long
def test_a_plain_keras_loads_it(saved, tmp_path):
    """Where kerasbn is not installed; the BN that stays must be a stock one."""
    model = keras.Sequential([keras.Input((3,)), L.Dense(4)])
    model.add(kerasbn.BatchNormalization(zero_debias=True))
    randomise(model).save(saved)
    kerasbn.fold_file(saved, tmp_path / "out.keras")
    code = (
        "import sys; sys.modules['kerasbn'] = None; import keras;"
        f"print(len(keras.models.load_model({str(tmp_path / 'out.keras')!r}).layers))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "2", done.stderr


def test_no_framework_is_loaded(saved, tmp_path):
    code = (
        "import sys; from kerasbn.cli import main;"
        f"main([{str(saved)!r}, {str(tmp_path / 'out.keras')!r}, '--no-verify'],"
        " standalone_mode=False);"
        "print({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"
