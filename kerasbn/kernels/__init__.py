"""Batch statistics and normalization: the numerical core of the layer.

A kernel is a module with the functions of `base.Kernel`: `normalize_batch` for
training, `normalize` for inference. `generic` has them on every backend and defines
what is right, masks and several replicas included; a kernel written for one backend
may only be faster.
"""

from __future__ import annotations

import importlib
from typing import cast

import keras

from kerasbn.kernels.base import Kernel, Normalization, Normalized

__all__ = ["Kernel", "Normalization", "Normalized", "active", "is_repeated"]


def _backend_kernel(backend: str) -> Kernel:
    """The kernel for a Keras backend: `generic` where it has none of its own."""
    own = backend in ("tensorflow", "jax", "torch")
    name = f"{__name__}.{backend if own else 'generic'}"
    return cast("Kernel", importlib.import_module(name))


active = _backend_kernel(keras.backend.backend())


def is_repeated() -> bool:
    """Whether this call repeats one that has moved the statistics; see `Kernel`.

    In a `keras.StatelessScope` it has not: there they are arguments and results.
    """
    if not active.repeats():
        return False
    with keras.StatelessScope() as scope:
        pass
    return scope.original_scope is None
