"""Copies of live models that compute in float64, where a wrong fold stands out."""

from __future__ import annotations

from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import keras

from kerasbn.live.copying import Copier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FLOATS = ("float16", "bfloat16", "float32", "mixed_float16", "mixed_bfloat16")


class Float64Copier(Copier):
    """A copier of layers with all floats in float64.

    Args:
        constants: id of an argument of a call -> its value in float64, if the argument
            itself has been rounded.
    """

    def __init__(self, constants: Mapping[int, Any] = MappingProxyType({})) -> None:
        super().__init__()
        self._constants = constants

    def constant(self, value: Any) -> Any:
        return self._constants.get(id(value), value)

    def dtype(self, name: str) -> str:
        return "float64" if name in _FLOATS else name

    def policy(self, policy: Any) -> Any:
        plain = type(policy) is keras.DTypePolicy and policy.name in _FLOATS
        return keras.DTypePolicy("float64") if plain else policy


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Use float64 for layers that are made meanwhile, as some code does in `call`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
