"""Random inputs for models, and the difference between two results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


LARGEST = 2**28
"""The most elements that an input may have; a file may declare any shape."""

_BATCH = 3
# Sizes for open axes: short for a sequence; for an image, enough for five halvings.
_SEQUENCE, _IMAGE = 16, 96


def random_inputs(specs: Any, rng: np.random.Generator) -> Any:
    """Return values for symbolic inputs, in the same structure, shapes and dtypes.

    Floats are standard normal, in float32 or wider; integers are 0 or 1, since every
    vocabulary has at least two entries; strings are one of two words.

    Raises:
        ValueError: if an input is absurdly large.
    """
    return keras.tree.map_structure(lambda spec: _random(spec, rng), specs)


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


def relative_difference(expected: Any, received: Any) -> float:
    """Return the largest |expected - received| relative to the largest |expected|.

    The ratio is taken for each output, and the largest counts. Values that are not
    finite must match; if they do not, the difference is infinite.
    An output that is 0 everywhere is compared absolutely.

    Args:
        expected: arrays in any structure.
        received: arrays in the same structure.
    """
    pairs = zip(keras.tree.flatten(expected), keras.tree.flatten(received), strict=True)
    return max((_difference(*pair) for pair in pairs), default=0.0)


def _difference(expected: Any, received: Any) -> float:
    one = np.asarray(expected)
    other = np.asarray(received)
    if one.dtype.kind not in "fV":  # Predicted classes, tokens, strings.
        return 0.0 if np.array_equal(one, other) else np.inf
    one, other = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(one)
    if one.shape != other.shape or not np.array_equal(finite, np.isfinite(other)):
        return np.inf
    largest = np.abs(one[finite]).max(initial=0.0)
    difference = np.abs(one[finite] - other[finite]).max(initial=0.0)
    return float(difference / largest if largest else difference)
