"""The values of a model's variables during training."""

from __future__ import annotations

from typing import Any


def current_value(variable: Any) -> Any:
    """Return the value of a Keras variable, a tensor."""
    return variable.value


def synchronize(model: Any) -> None:
    """Update the variables' values: JAX' `fit` holds them elsewhere meanwhile."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
