"""Random inputs that fit a model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


LARGEST = 2**28
"""How many numbers an input may have; a file may declare any shape."""

_BATCH = 3
# Open lengths: short for a sequence, for an image enough for five halvings.
_SEQUENCE, _IMAGE = 16, 96


def random_inputs(model: Any, rng: np.random.Generator) -> Any:
    """Inputs of the structure, shapes and dtypes that a model asks for.

    Floats are standard normal, in float32 or wider, integers are 0 or 1, because a
    vocabulary has at least these, and texts are one of two words.
    """
    # A Sequential model that was loaded has `inputs`, but no `input`.
    wanted = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return keras.tree.map_structure(lambda spec: _random(spec, rng), wanted)


def _random(spec: Any, rng: np.random.Generator) -> NDArray[Any]:
    length = _IMAGE if len(spec.shape) > 3 else _SEQUENCE
    batch = [size or _BATCH for size in spec.shape[:1]]  # None of a scalar.
    shape = [*batch, *(size or length for size in spec.shape[1:])]
    if math.prod(shape) > LARGEST:
        raise ValueError(f"an input of the shape {tuple(spec.shape)} is too large")
    dtype = str(spec.dtype)
    if dtype == "string":
        return rng.choice(np.asarray(["the", "layer"]), shape)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if "int" in dtype:
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.standard_normal(shape)
