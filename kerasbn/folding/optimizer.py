"""The compiled state of a folded model: its loss and metrics, but no optimizer state.

The trained moments belong to weights that no longer exist. Keras warns about an
optimizer without its state, so a plain SGD, which has none, takes its place: `evaluate`
works at once, and training needs a new `compile` anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEARNING_RATE = 0.01

VARIABLES = {
    "optimizer/vars/0": np.asarray(0, np.int32),
    "optimizer/vars/1": np.asarray(_LEARNING_RATE, np.float32),
}
"""The iteration count and learning rate that Keras expects of a plain SGD."""


def compiled_without_state(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a model with the optimizer, if any, replaced."""
    compiled = model.get("compile_config")
    if not compiled or not isinstance(compiled, dict):
        return {key: item for key, item in model.items() if key != "compile_config"}
    sgd = {
        "module": "keras.optimizers",
        "class_name": "SGD",
        "config": {"name": "SGD", "learning_rate": _LEARNING_RATE},
        "registered_name": None,
    }
    # Under mixed_float16 Keras would wrap the optimizer, whose state is not saved.
    replaced = {**compiled, "optimizer": sgd, "auto_scale_loss": False}
    return {**model, "compile_config": replaced}
