"""Gradient tapes of TensorFlow.

What is reported needs the class itself (`is_tape`); to leave something alone, the name
is enough (`records`).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeGuard

from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values

if TYPE_CHECKING:
    from ..reading.module import Module

TAPE = "GradientTape"
Tape = ast.Name | ast.Attribute  # what a tape is held by: `tape`, `self.tape`
_CLASS = Known("tensorflow.GradientTape")


def has_tape(text: str) -> bool:
    """Whether a source may open a tape."""
    return TAPE in text


def is_tape(module: Module, made: ast.expr) -> bool:
    """Whether a call makes a tape, or one around it, as Horovod does."""
    if not isinstance(made, ast.Call):
        return False
    inner = wrapped_tape(made)
    return _CLASS in values(module, made.func) or (
        inner is not None and is_tape(module, inner)
    )


def wrapped_tape(made: ast.expr) -> ast.expr | None:
    """The `tape` of `hvd.DistributedGradientTape(tape)`."""
    match made:
        case ast.Call(args=[tape, *_]) if last_word(made.func).endswith(TAPE):
            return tape
    return None


def records(node: ast.AST) -> TypeGuard[ast.With]:
    """Whether it is a `with` that opens a tape, by its name."""
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and last_word(item.context_expr.func).endswith(TAPE)
        for item in node.items
    )


def stands_in_tape(module: Module, node: ast.AST) -> bool:
    """Whether a `with` around it opens a tape."""
    return any(map(records, module.scopes.ancestors(node)))


def taken_by(call: ast.Call) -> tuple[Tape, list[ast.expr]] | None:
    """Return the tape whose gradients a call takes, and what for; None if none."""
    match call:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Name() | ast.Attribute() as tape, attr="gradient"
            )
        ):
            sources = [*call.args[1:2], keyword(call, "sources")]
        case ast.Call(func=ast.Attribute(attr="minimize")):
            given = keyword(call, "tape")
            if not isinstance(given, ast.Name | ast.Attribute):
                return None
            tape, sources = given, [*call.args[1:2], keyword(call, "var_list")]
        case _:
            return None
    return tape, [source for source in sources if source is not None]
