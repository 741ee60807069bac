"""Training ops of several networks in TensorFlow 1 that all run all updates of BN."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import Result
from ..resolving.classes import keyword
from ..resolving.resolve import values
from .fetched_updates import fetched_updates
from .training_ops import training_ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_MINIMIZE = 2  # the place of `var_list`, after a global step


def shared_updates(module: Module) -> Iterator[ast.With]:
    """Yield each `with` on all updates, around ops for other losses and variables.

    A fetch that names a scope, or whose result is filtered, is not of all.
    """
    if not module.mentions("UPDATE_OPS") or module.is_test:
        return
    fetches = {
        call
        for call in fetched_updates(module)
        if len(call.args) == 1 and keyword(call, "scope") is None
    }
    ops = list(training_ops(module)) if fetches else []
    for node in module.scopes.of(ast.With):
        if any(_waits(module, item.context_expr, fetches) for item in node.items):
            inside = [op for op in ops if node in module.scopes.ancestors(op)]
            if _differ(inside):
                yield node


def _waits(module: Module, entered: ast.expr, fetches: set[ast.Call]) -> bool:
    """Whether it is `control_dependencies` on one of the fetches, unchanged."""
    match entered:
        case ast.Call(func=function, args=[given]):
            if last_word(function) != "control_dependencies":
                return False
            return given in fetches or any(
                isinstance(value, Result) and value.call in fetches
                for value in values(module, given)
            )
    return False


def _differ(ops: list[ast.Call]) -> bool:
    """Whether there are several, each with a loss and variables of its own."""
    losses = {ast.unparse(op.args[0]) for op in ops if op.args}
    variables = [keyword(op, "var_list") for op in ops]
    variables = [
        one or (op.args[_MINIMIZE] if len(op.args) > _MINIMIZE else None)
        for one, op in zip(variables, ops, strict=True)
    ]
    named = {ast.unparse(one) for one in variables if one is not None}
    return len(ops) > 1 and len(losses) == len(named) == len(ops)
