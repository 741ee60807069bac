"""Lint every model of keras.applications, live and saved; print what is found.

Usage: `python tests/lint/all_applications.py [NAME...]`. It takes some minutes and
exits with 1 if there is an error or a warning.
"""

import sys
import tempfile
import time
from pathlib import Path

import keras

import lint


def names():
    """Every function of keras.applications that builds a model."""
    return sorted(
        name
        for name, member in vars(keras.applications).items()
        if name[0].isupper() and callable(member)
    )


def check(name, folder):
    """Lint one model live and saved; return its errors and warnings."""
    keras.backend.clear_session()
    model = getattr(keras.applications, name)(weights=None)
    path = Path(folder) / "model.keras"
    model.save(path)
    live, start = lint.check(model), time.perf_counter()
    saved = lint.check(path)
    seconds = time.perf_counter() - start
    bad = [finding for finding in (*live, *saved) if finding.severity != "info"]
    size = path.stat().st_size / 2**20
    count = sum(
        isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers
    )
    print(f"{name:20} {count:4} BN {size:6.0f} MB {seconds:5.2f} s  {bad or 'clean'}")
    path.unlink()
    return bad


def main():
    """Lint the models named on the command line, or all."""
    with tempfile.TemporaryDirectory() as folder:
        found = [check(name, folder) for name in sys.argv[1:] or names()]
    print(f"{len(found)} models, {sum(map(len, found))} errors and warnings")
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
