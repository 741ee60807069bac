"""Batch statistics and normalization: the numerical core of the layer.

A kernel is a module with two functions, `normalize_batch` for training and
`normalize` for inference. `generic` has them on every backend and defines what is
right, masks and several replicas included; a kernel written for one backend may
only be faster.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    from types import ModuleType


def _of_backend(backend: str) -> ModuleType:
    """The kernel for a Keras backend: `generic` where it has no own."""
    own = backend in ("tensorflow", "jax", "torch")
    return importlib.import_module(f"{__name__}.{backend if own else 'generic'}")


active = _of_backend(keras.backend.backend())
