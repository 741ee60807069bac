"""Keras, loaded without the lines that its backend writes while it starts."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def silent_stderr():
    """Drop what C++ libraries write while they load; errors are raised, not written."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with silent_stderr():
    import keras

    keras.ops.zeros(1)  # The backend starts with the first operation.

array = keras.ops.convert_to_numpy
layers = keras.layers
# Models are made by the dozen here; TensorFlow takes that for a mistake.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
