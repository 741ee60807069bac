"""Random inputs that fit a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kerasbn import comparing
from kerasbn.comparing import LARGEST

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LARGEST", "random_inputs"]


def random_inputs(model: Any, rng: np.random.Generator) -> Any:
    """Return inputs of the structure, shapes and dtypes that a model expects."""
    # A Sequential model that was loaded has `inputs`, but no `input`.
    wanted = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return comparing.random_inputs(wanted, rng)
