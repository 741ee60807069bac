"""Those tests that meet the backend, once more on each of the other backends."""

import os
import pathlib
import subprocess
import sys

import pytest

from .models import BACKEND

HERE = pathlib.Path(__file__).parent
THOSE = "goes_on and upgrade or synchronized"


@pytest.mark.skipif(BACKEND != "tensorflow", reason="run from there for the others")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_exchange_on_another_backend(backend):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", HERE, "-k", THOSE],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
