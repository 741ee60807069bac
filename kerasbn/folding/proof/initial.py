"""Initial values of weights, which the proof's models never use.

Each weight is loaded before anything is run; until then random numbers would be drawn
for it, which takes a third of a model's loading time.
"""

from __future__ import annotations

from typing import Any

ZEROS: dict[str, Any] = {
    "module": "keras.initializers",
    "class_name": "Zeros",
    "config": {},
    "registered_name": None,
}
"""The configuration of an initializer that draws nothing."""

_DRAWING = {
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
}


def without_drawing(config: Any) -> Any:
    """Copy a configuration with zeros for Keras' random initial values."""
    if isinstance(config, list):
        return [without_drawing(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: ZEROS if draws(value) else without_drawing(value)
        for key, value in config.items()
    }


def draws(initializer: Any) -> bool:
    """Whether a configuration is that of a Keras initializer that draws numbers."""
    return (
        isinstance(initializer, dict)
        and initializer.get("module") == "keras.initializers"
        and initializer.get("class_name") in _DRAWING
    )
