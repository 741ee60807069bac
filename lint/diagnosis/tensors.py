"""Tensors of any backend, and NumPy arrays."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any

import numpy as np


def shapes_of(x: Any) -> str:
    """Format the shapes of a nest of arrays, for a message."""
    import keras

    return str(keras.tree.map_structure(lambda leaf: tuple(leaf.shape), x))


def as_tensors(value: Any) -> Any:
    """Convert a nest of arrays of numbers to tensors."""
    import keras

    def convert(leaf: Any) -> Any:
        is_plain = isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiub"
        return keras.ops.convert_to_tensor(leaf) if is_plain else leaf

    return keras.tree.map_structure(convert, value)


def on_host(leaf: Any) -> Any:
    """Convert a tensor to a NumPy array; return anything else as it is."""
    import keras

    if keras.ops.is_tensor(leaf):
        if "float" in str(leaf.dtype):
            leaf = keras.ops.cast(leaf, "float32")  # NumPy has no bfloat16.
        return np.asarray(keras.ops.convert_to_numpy(leaf))
    return leaf


def without_gradients() -> Any:
    """Return a context in which PyTorch keeps no activations for gradients."""
    import keras

    if keras.backend.backend() == "torch":
        return sys.modules["torch"].no_grad()
    return nullcontext()
