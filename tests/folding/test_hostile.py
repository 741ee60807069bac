"""Nothing that a file holds or names is run, whatever it is and wherever it stands.

All files go through both commands in one process, under an audit hook. A harmless file
has gone before them, so that what the commands import themselves is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import pytest

from kerasbn.graph import Trust, known, unknown_parts

from . import hostile
from .models import L, randomise

WATCHED = Path(__file__).parent / "watched.py"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Name of a file -> the exit status of each command, the output, the events."""
    folder = tmp_path_factory.mktemp("hostile")
    plain = folder / "a.keras"
    inputs = keras.Input((4,))
    x = L.BatchNormalization(name="bn")(L.Dense(4, name="dense")(inputs))
    model = randomise(
        keras.Model(inputs, L.Dense(2, name="end")(L.ReLU(name="odd")(x)))
    )
    model.compile("sgd", "mse")
    model.save(plain)
    model.save(folder / "a.h5")
    for number, (name, entry) in enumerate(hostile.LAYERS.items()):
        _keras_file(plain, folder / f"{number} {name}.keras", entry)
        if entry["class_name"] != "ReLU":  # That alone is harmless.
            _h5_file(folder / "a.h5", folder / f"{number} {name}.h5", entry)
    for name, items in hostile.COMPILED.items():
        _keras_file(plain, folder / f"compiled {name}.keras", None, compiled=items)
    argument = [hostile.function("os", "system"), hostile.BYTECODE]
    _keras_file(plain, folder / "an argument.keras", None, argument=argument)
    _with_member(plain, folder / "an asset.keras", "assets/../../proof-of-harm")
    _with_member(plain, folder / "an absolute asset.keras", "/tmp/proof-of-harm")
    temporary = tmp_path_factory.mktemp("temporary")
    run = subprocess.run(
        [sys.executable, WATCHED, *sorted(map(str, folder.iterdir()), key=_harmless)],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert not [*folder.glob(f"*{hostile.PROOF}*"), *temporary.iterdir()]
    return json.loads(run.stdout.splitlines()[-1])


def _harmless(path):
    """First the files that have nothing odd in them."""
    return not path.endswith(("/a.keras", "/a.h5")), path


def _keras_file(plain, path, entry, compiled=(), argument=()):
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            if name == "config.json":
                config = json.loads(data)
                config["compile_config"].update(compiled)
                _exchange(config, entry)
                for layer in config["config"]["layers"]:
                    if layer["config"]["name"] == "odd":
                        layer["inbound_nodes"][0]["args"] += argument
                data = json.dumps(config)
            after.writestr(name, data)


def _h5_file(plain, path, entry):
    path.write_bytes(plain.read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        legacy = {k: v for k, v in entry.items() if k in ("class_name", "config")}
        _exchange(config, legacy)
        file.attrs["model_config"] = json.dumps(config)


def _exchange(config, entry):
    """Put an entry in the place of the layer `odd`."""
    if entry is None:
        return
    layers = config["config"]["layers"]
    (place,) = (i for i, layer in enumerate(layers) if layer["config"]["name"] == "odd")
    calls = layers[place]["inbound_nodes"]
    layers[place] = {**entry, "name": "odd", "inbound_nodes": calls}


def _with_member(plain, path, name):
    path.write_bytes(plain.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "harm")


def test_nothing_is_run(outcomes):
    events = {name: outcome["events"] for name, outcome in outcomes.items()}
    assert {name: seen for name, seen in events.items() if seen} == {}


def test_every_file_is_refused_or_proven_in_parts(outcomes):
    for name, outcome in outcomes.items():
        assert outcome["lint"] in (0, 1, 2), name
        if name in ("a.keras", "a.h5"):
            assert outcome["fold"]["proof"] == "whole"
        elif outcome["status"] == 2:
            assert outcome["fold"]["message"], name
        elif name.startswith(("compiled", "an absolute")):  # Nobody reads that.
            assert outcome["fold"]["proof"] == "whole", name
        else:
            assert outcome["status"] == 0, (name, outcome)
            assert outcome["fold"]["proof"] == "parts", name
            assert "odd" in " ".join(outcome["fold"]["notes"]), name


def test_operators_are_classes():
    """Whatever a module of operators offers under a name that is let through."""
    for module in known._OPERATORS:
        __import__(module)
        for name, value in vars(sys.modules[module]).items():
            if known._OPERATOR.fullmatch(name) and name != "KerasTensor":
                assert issubclass(value, keras.Operation)


def test_known_names_are_classes_of_keras():
    for module, names in known._CLASSES.items():
        for name in names:
            found = getattr(sys.modules.get(module), name, None)
            assert found is None or hasattr(found, "from_config")


def test_what_is_asked_for_is_known():
    entry = {
        "module": "mine",
        "class_name": "Gate",
        "config": {"name": "gate", "inner": {"class_name": "__lambda__"}},
        "registered_name": "mine>Gate",
    }
    assert [found.layer for found in unknown_parts([entry])] == ["gate", "gate"]
    (inner,) = unknown_parts([entry], Trust(frozenset({"mine>Gate"})))
    assert inner.what == "a Python lambda"
    assert unknown_parts([entry], Trust(everything=True)) == []
