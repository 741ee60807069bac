"""The tests marked `every_backend`, once more on each of the other backends.

The mark is for a test, a class, a module (`pytestmark`) or, in `MARKED` of
`conftest.py`, a folder or file. Here is where they are, so that they run side by side.
"""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

TESTS = pathlib.Path(__file__).parent
PLACES = [
    "exchange",
    "folding/test_carry.py",
    "layer",
    "lint/test_diagnose_command.py",
    "lint/test_diagnosis.py",
    "lint/test_diagnosis_composition.py",
    "lint/test_diagnosis_lookalikes.py",
    "lint/test_diagnosis_outliers.py",
    "lint/test_diagnosis_preprocessing.py",
    "lint/test_probing.py",
    "lint/test_watching.py",
    "recalibration",
]


@pytest.mark.long
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="run from there for the others"
)
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("place", PLACES)
def test_on_another_backend(place, backend):
    pytest.importorskip(backend)
    mark = "every_backend and not long"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", TESTS / place, "-m", mark],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_mark_is_elsewhere():
    marked = {
        path
        for path in TESTS.rglob("test_*.py")
        if path != pathlib.Path(__file__)
        if "mark.every_backend" in path.read_text(encoding="utf-8")
    }
    places = [TESTS / place for place in PLACES]
    assert all(any(path.is_relative_to(p) for p in places) for path in marked)
