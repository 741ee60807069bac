"""Those tests that meet the backend, once more on each of the other backends."""

import os
import pathlib
import subprocess
import sys

import pytest

from .models import BACKEND

HERE = pathlib.Path(__file__).parent
THOSE = "test_models or DataLoader or pooled or renorm or mask"


@pytest.mark.skipif(BACKEND != "tensorflow", reason="run from there for the others")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_recalibration_on_another_backend(backend):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", HERE, "-k", THOSE],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
