"""Whether a layer is applied to a tensor of a graph that is being built."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .resolve import calls_of, values
from .scopes import Function, Kind
from .values import Known, Self, argument_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .module import Module

_MOST_VISITS = 500


def builds_graph(module: Module, call: ast.Call, is_layer: bool) -> bool:
    """Whether the call is applied to a tensor of a graph that is being built."""
    inputs = call.args[:1] or [each.value for each in call.keywords[:1]]
    found = [_origin(module, each, set()) for each in inputs]
    if True in found:
        return True
    # A helper that builds its BN on the spot can hardly serve anything else.
    return is_layer and isinstance(call.func, ast.Call) and None in found


def _origin(module: Module, expression: ast.expr, visited: set[ast.AST]) -> bool | None:
    """Whether a tensor comes from `keras.Input`; None if from an unknown caller."""
    if expression in visited or len(visited) > _MOST_VISITS:
        return False
    visited.add(expression)
    match expression:
        case ast.Attribute(attr="output" | "outputs" | "input" | "inputs"):
            return not isinstance(expression.value, ast.Name) or not any(
                isinstance(each, Self) for each in values(module, expression.value)
            )
        case ast.Call():
            for value in values(module, expression.func):
                if value == Known("keras.layers.Input"):
                    return True
            sources = [*expression.args, *(each.value for each in expression.keywords)]
        case ast.Name():
            return _origin_of_name(module, expression, visited)
        case _:
            children = ast.iter_child_nodes(expression)
            sources = [each for each in children if isinstance(each, ast.expr)]
    return _any(_origin(module, each, visited) for each in sources)


def _origin_of_name(
    module: Module, name: ast.Name, visited: set[ast.AST]
) -> bool | None:
    found = module.scopes.lookup(name)
    sources: list[bool | None] = []
    for binding in found[1] if found else ():
        if binding.kind in (Kind.VALUE, Kind.ITEM):
            assert isinstance(binding.node, ast.expr)
            sources.append(_origin(module, binding.node, visited))
        elif binding.kind is Kind.PARAMETER:
            assert isinstance(binding.place, Function)
            assert isinstance(binding.node, ast.arg)
            calls = calls_of(module, binding.place)
            passed = [
                argument_for(call, binding.place, binding.node.arg, skipped)
                for call, skipped in calls
            ]
            sources += [
                _origin(module, each, visited) for each in passed if each is not None
            ]
            sources += [None] if not calls else []
    return _any(sources)


def _any(answers: Iterable[bool | None]) -> bool | None:
    known = list(answers)
    if True in known:
        return True
    return None if None in known else False
