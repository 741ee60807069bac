"""Flags that are constants with a name: `TRAINING = True`, or entries of settings."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Self
from .members import is_set_elsewhere, is_set_from_outside, setting_of
from .resolve import values
from .switches import constants_of

if TYPE_CHECKING:
    from ..reading.module import Module


def named_flag(module: Module, flag: ast.expr) -> bool | None:
    """The constant of a module or of settings that a flag is, if nothing changes it."""
    match flag:
        case ast.Attribute(value=holder, attr=name):
            if any(isinstance(one, Self) for one in values(module, holder)):
                return None  # of the layer itself: see `kept_flags`
            if is_set_from_outside(module, name) or is_set_elsewhere(module, name):
                return None
        case ast.Name(id=name) if found := module.scopes.lookup(flag):
            if found[0] is not module.scopes.top:
                return None
            if module.matches(setting_of(name)) or is_set_elsewhere(module, name):
                return None
        case ast.Subscript() | ast.Call(func=ast.Attribute(attr="get")):
            pass
        case _:
            return None
    constants = constants_of(module, flag)
    return constants[0] is True if constants in ([True], [False]) else None
