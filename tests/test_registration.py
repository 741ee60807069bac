"""`import kerasbn` alone makes the layer known to Keras, and loads no framework."""

import os
import subprocess
import sys

import pytest

LOAD = "layer = keras.models.load_model(sys.argv[1]).layers[0]\n"
CHECK = "assert type(layer) is kerasbn.BatchNormalization, type(layer)\n"
FINDER = "any('kerasbn' in type(f).__module__ for f in sys.meta_path)"


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + script, *map(str, arguments)],
        env=os.environ | {"KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("registration") / "model.keras"
    run(
        "import keras, kerasbn\n"
        "layer = kerasbn.BatchNormalization([1, 2], zero_debias=True)\n"
        "keras.Sequential([keras.Input((4, 3)), layer]).save(sys.argv[1])",
        path,
    )
    return path


@pytest.mark.parametrize(
    "imports",
    [
        "import kerasbn, keras\n",
        pytest.param("import keras, kerasbn\n", marks=pytest.mark.long),
        # Looking for Keras is not importing it.
        pytest.param(
            "import kerasbn, importlib.util as u\nu.find_spec('keras')\nimport keras\n",
            marks=pytest.mark.long,
        ),
    ],
)
def test_saved_layer_is_found(imports, saved_model):
    run(imports + LOAD + CHECK + f"assert not {FINDER}", saved_model)


def test_import_loads_no_framework():
    run(
        "import kerasbn\n"
        "frameworks = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not frameworks, frameworks"
    )


def test_looking_for_keras_finds_keras():
    run(
        "import importlib.util, kerasbn\n"
        "spec = importlib.util.find_spec('keras')\n"
        "assert spec.name == 'keras' and spec.origin.endswith('__init__.py')\n"
        "assert 'keras' in spec.loader.get_source('keras')\n"
        "assert 'keras' not in sys.modules"
    )


def test_failed_import_of_keras_can_be_tried_again(saved_model):
    run(
        "import os, kerasbn\n"
        "good, os.environ['KERAS_BACKEND'] = os.environ['KERAS_BACKEND'], 'nonsense'\n"
        "try:\n"
        "    import keras\n"
        "except Exception:\n"
        "    for name in [m for m in sys.modules if m.startswith('keras.')]:\n"
        "        del sys.modules[name]\n"
        "else:\n"
        "    raise SystemExit('Keras took a backend that does not exist')\n"
        "os.environ['KERAS_BACKEND'] = good\n"
        "import keras\n" + LOAD + CHECK,
        saved_model,
    )


def test_missing_keras_is_still_missing(tmp_path):
    run(
        "import kerasbn\n"
        "sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        "try:\n"
        "    import keras\n"
        "except ModuleNotFoundError as error:\n"
        "    assert error.name == 'keras'\n"
        "else:\n"
        "    raise SystemExit('found a Keras')"
    )
