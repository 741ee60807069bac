"""What a name in a function makes, by the call that runs the function.

`norm_layer()` in a constructor makes what the constructor is passed, which a helper may
have chosen: `Net(get_norm_layer("instance"))`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import NAMES_VISITED
from ..reading.nodes import Function
from ..reading.values import Routine, default_of
from .members import returns_of
from .resolve import values
from .runs import is_run_by, passed_expression, run_of
from .switches import is_dead, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value
    from .runs import Run


def makers(module: Module, name: ast.expr, run: Run | None) -> tuple[Value, ...] | None:
    """Return what a name or call stands for in that run; None if that is not known.

    A name is a parameter, as the run passes it, or what a call or choice gave it.
    """
    if not _depends_on_run(module, name, run):
        return None
    return tuple(dict.fromkeys(_makers(module, name, run))) or None


def _depends_on_run(module: Module, name: ast.expr, run: Run | None) -> bool:
    if not isinstance(name, ast.Name):
        return isinstance(name, ast.Call)
    match module.scopes.lookup(name):
        case _, [binding] if binding.kind is Kind.PARAMETER and isinstance(
            binding.place, Function
        ):
            return run is not None and is_run_by(binding.place, run)
        case _, [binding] if binding.kind is Kind.VALUE:
            return isinstance(binding.node, ast.Call | ast.IfExp)
    return False


def _makers(module: Module, name: ast.expr, run: Run | None) -> Iterator[Value]:
    pending: list[tuple[Module, ast.expr, Run | None]] = [(module, name, run)]
    visited: set[object] = set()
    while pending:
        where, expression, outer = pending.pop()
        mark = (expression, outer and outer.key)
        if mark in visited or len(visited) > NAMES_VISITED:
            continue
        visited.add(mark)
        found = list(_led_to(where, expression, outer))
        if not found:
            yield from values(where, expression)
        pending += found


def _led_to(
    module: Module, expression: ast.expr, run: Run | None
) -> Iterator[tuple[Module, ast.expr, Run | None]]:
    """The expressions that it stands for in that run, one step back."""
    match expression:
        case ast.Name():
            found = module.scopes.lookup(expression)
            for binding in found[1] if found else ():
                if binding.kind is Kind.PARAMETER:
                    yield from _passed(module, expression.id, binding.place, run)
                elif (
                    binding.kind is Kind.VALUE
                    and isinstance(binding.node, ast.expr)
                    and not is_dead(module, binding.place, run)
                ):
                    yield module, binding.node, run
        case ast.IfExp(test=test, body=one, orelse=other):
            chosen = truth(module, test, run)
            for side, wanted in ((one, True), (other, False)):
                if chosen in (None, wanted):
                    yield module, side, run
        case ast.Call():
            for function in values(module, expression.func):
                if isinstance(function, Routine):
                    inner = run_of(function, module, expression, run)
                    for returned in returns_of(function.module, function.node):
                        if not is_dead(function.module, returned, inner):
                            yield function.module, returned, inner


def _passed(
    module: Module, name: str, function: ast.AST, run: Run | None
) -> Iterator[tuple[Module, ast.expr, Run | None]]:
    if not isinstance(function, Function):
        return
    given = passed_expression(run, function, name)
    if given is not None:
        yield given
    elif is_run_by(function, run):
        default = default_of(function, name)
        if default is not None:
            yield module, default, None
