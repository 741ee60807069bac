"""Keras' defaults and rules of type promotion, with float64 in them."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import keras
from keras.src.backend.common import dtypes

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def float64_arithmetic() -> Iterator[None]:
    """Let Keras compute in float64, and by default in nothing else.

    Layers that name no dtype, or that some code makes in `call`, use float64 then. On
    JAX and PyTorch Keras' type promotion turns float64 into float32, and so does JAX
    itself by default. All of this is restored at the end.
    """
    with ExitStack() as restoring:
        if keras.backend.backend() == "jax":
            jax = sys.modules["jax"].config  # Keras has imported it.
            restoring.callback(jax.update, "jax_enable_x64", jax.jax_enable_x64)
            jax.update("jax_enable_x64", True)
        restoring.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
        keras.config.set_dtype_policy("float64")
        narrowing = dtypes.BIT64_TO_BIT32_DTYPE
        restoring.callback(narrowing.update, float64=narrowing["float64"])
        narrowing["float64"] = "float64"
        yield
