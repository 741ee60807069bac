"""What a caller writes for something in the function that it calls."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import last_word
from .members import self_name
from .starred import argument_in

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.values import Routine


@remembered
def as_caller_writes(
    caller: Module, call: ast.Call, routine: Routine, expression: ast.expr
) -> ast.expr | None:
    """Return what a caller would write for a parameter, or for a part of one.

    For `self.encoder` in `def encode(self, x)`, run by `net.encode(x)`, that is
    `net.encoder`; None if the expression does not begin with a parameter.
    """
    match expression:
        case ast.Name(id=name) if routine.owner and name == self_name(routine.node):
            return _instance(call, routine)
        case ast.Name(id=name):
            skipped = int(routine.owner is not None)
            return argument_in(caller, call, routine.node, name, skipped)
        case ast.Attribute(value=base, attr=attribute, ctx=context):
            held = as_caller_writes(caller, call, routine, base)
            if held is not None:
                return ast.copy_location(ast.Attribute(held, attribute, context), call)
        case ast.Subscript(value=base, slice=ast.Constant() as index, ctx=context):
            held = as_caller_writes(caller, call, routine, base)
            if held is not None:
                return ast.copy_location(ast.Subscript(held, index, context), call)
    return None


def _instance(call: ast.Call, routine: Routine) -> ast.expr | None:
    """What a method is called on: `net` in `net.encode(x)`, and in `net(x)`.

    `net(x)` runs `__call__`, or the `forward` of a module of PyTorch.

    Nothing for `net.call(x)`, which another rule is about.
    """
    name = getattr(routine.node, "name", "")
    if name in ("call", "__call__"):
        return call.func if name == "__call__" else None
    if name == "forward" and last_word(call.func) != name:
        return call.func
    match call.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
            return None
        case ast.Attribute(value=base):
            return base
    return None
