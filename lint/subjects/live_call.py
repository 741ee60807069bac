"""The `call` of a live model, and what its layers need of it."""

from __future__ import annotations

import inspect
from typing import Any

from . import names
from .trainer import trains_by_itself


def call_lacks_training(model: Any) -> bool:
    """Whether fit runs a `call` of the user's that cannot take `training`."""
    if _is_graph(type(model)) or trains_by_itself(type(model)):
        return False
    try:
        takes_it = "training" in inspect.signature(model.call).parameters
    except (TypeError, ValueError):
        return False
    return not takes_it and not _settles_training(type(model).call)


def _is_graph(kind: type) -> bool:
    return any(
        base.__module__.startswith("keras.")
        and base.__name__ in ("Functional", "Sequential")
        for base in kind.__mro__
    )


def _settles_training(call: Any) -> bool:
    """Whether the function passes `training` on by itself, or cannot be looked into."""
    code = getattr(inspect.unwrap(call), "__code__", None)
    if code is None:
        return True
    # The names of keyword arguments are tuples among the constants of the code.
    named = [constant for constant in code.co_consts if isinstance(constant, tuple)]
    return any("training" in constant for constant in named)


def kinds_in(model: Any) -> frozenset[str]:
    """Return the kinds of the model's built layers that depend on `training`."""
    kinds: frozenset[str] = frozenset()
    for layer in getattr(model, "_flatten_layers", list)():
        if getattr(layer, "built", False) and getattr(layer, "trainable", True):
            for base in type(layer).__mro__:
                if base.__module__.split(".")[0] in ("keras", "kerasbn"):
                    kinds |= names.kinds_named(f"keras.layers.{base.__name__}")
    return kinds
