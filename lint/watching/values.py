"""The values of a model's variables while it is trained."""

from __future__ import annotations

from typing import Any


def current_value(variable: Any) -> Any:
    """The value of a Keras variable, a tensor."""
    return variable.value


def synchronize(model: Any) -> None:
    """Give the variables their values: JAX' `fit` holds them elsewhere meanwhile."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
