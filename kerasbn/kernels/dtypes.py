"""Dtypes, by the names that Keras has for them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


def at_least_float32(dtype: Any) -> str:
    """float64 if `dtype` is, else float32: half precision overflows in sums.

    Not `keras.backend.result_type`, which on PyTorch also turns float64 into float32.
    """
    is_double = keras.backend.standardize_dtype(dtype) == "float64"
    return "float64" if is_double else "float32"


def wider(dtype: Any, other: str) -> str:
    """Return the one of two dtypes that holds the values of both."""
    dtype = keras.backend.standardize_dtype(dtype)
    return dtype if dtype == other else keras.backend.result_type(dtype, other)


def in_dtype(tensor: Tensor, dtype: str) -> Tensor:
    """The tensor in a dtype; `ops.cast` takes long, also where it is that already."""
    is_so = keras.backend.standardize_dtype(tensor.dtype) == dtype
    # TensorFlow's variable is still to be read.
    return (
        tensor if is_so and not hasattr(tensor, "assign") else ops.cast(tensor, dtype)
    )
