"""Copies of live models that compute in float64, where a wrong fold stands out."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import keras

from kerasbn.live.copying import Copier

if TYPE_CHECKING:
    from collections.abc import Mapping

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
