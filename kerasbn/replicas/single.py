"""A single replica, or JAX, whose arrays and thus their sums span all devices."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any


def several() -> bool:
    """Never: no array is a part of another."""
    return False


def total(tensor: Tensor) -> Tensor:
    """The tensor itself."""
    return tensor


def is_distributed(variable: Any) -> bool:
    """Never: a variable has one value."""
    return False


def gathered(variable: Any) -> Tensor:
    """The only value."""
    return ops.expand_dims(variable, 0)


def from_all_processes(value: Any) -> list[Any]:
    """List the value of each process: there is one process."""
    return [value]
