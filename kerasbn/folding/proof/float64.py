"""Float64 copies of a model, in which a wrong fold stands out from rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kerasbn.comparing import relative_difference
from kerasbn.live.promotion import float64_arithmetic

if TYPE_CHECKING:
    from kerasbn.graph import Layer

__all__ = [
    "SHORT_TOLERANCE",
    "TOLERANCE",
    "computes_in_float32",
    "float64_arithmetic",
    "in_float64",
    "may_compute_in_float32",
    "relative_difference",
]

TOLERANCE = 1e-9
"""The largest relative difference in float64 that counts as equal."""

SHORT_TOLERANCE = 1e-5
"""The same limit after a layer that computes in float32 whatever its dtype."""

_FLOAT_POLICIES = (
    "float16",
    "bfloat16",
    "float32",
    "mixed_float16",
    "mixed_bfloat16",
)
_RESIZING = ("UpSampling2D", "Resizing", "Resize")


def in_float64(config: Any) -> Any:
    """Copy a configuration so that everything that computes in floats uses float64."""
    if isinstance(config, list):
        return [in_float64(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _float64_dtype(value) if key == "dtype" else in_float64(value)
        for key, value in config.items()
    }


def _float64_dtype(dtype: Any) -> Any:
    if isinstance(dtype, dict) and dtype.get("class_name") == "DTypePolicy":
        return _float64_dtype(dtype["config"]["name"])
    return "float64" if dtype in _FLOAT_POLICIES else dtype


def computes_in_float32(layer: Layer) -> bool:
    """Whether a layer of Keras' own computes in float32 whatever its dtype.

    TensorFlow's `tf.image.resize` does, unless it takes the nearest pixel.
    """
    if keras.backend.backend() != "tensorflow" or layer.kind not in _RESIZING:
        return False
    return layer.config.get("interpolation", "nearest") != "nearest"


def may_compute_in_float32(layer: Layer) -> bool:
    """Whether it does, or may do in code of its own."""
    return computes_in_float32(layer) or layer.kind in (None, "Lambda")
