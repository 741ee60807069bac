"""Arguments that calls unpack from a tuple: `step(*networks)`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Items, argument_for, positional_after
from .resolve import values

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.nodes import Function


def argument_in(
    module: Module, call: ast.Call, function: Function, name: str, skipped: int
) -> ast.expr | None:
    """Return what a call passes for a parameter, also in tuples that it unpacks.

    `skipped` counts the leading parameters that the call does not write (`self`).
    """
    given = argument_for(call, function, name, skipped)
    if given is not None:
        return given
    named = positional_after(function, skipped)
    written = _written(module, call) if named else []
    for parameter, argument in zip(named, written, strict=False):
        if parameter.arg == name:
            return argument
    return None


def _written(module: Module, call: ast.Call) -> list[ast.expr]:
    """The arguments by position, up to one that unpacks what is not written out."""
    found: list[ast.expr] = []
    for argument in call.args:
        if not isinstance(argument, ast.Starred):
            found.append(argument)
            continue
        match values(module, argument.value):
            case (Items(module=where, node=ast.Tuple(elts=parts)),) if (
                where is module and not any(isinstance(x, ast.Starred) for x in parts)
            ):
                found += parts
            case _:
                break
    return found
