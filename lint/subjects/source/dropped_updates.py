"""Calls of `stateless_call` whose new statistics are dropped."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .contents import kinds_held
from .nodes import Function
from .resolve import calls_of
from .saying import How, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_SECOND = 1  # outputs, new non-trainable variables, losses


def dropped_updates(module: Module) -> Iterator[ast.Call]:
    """Yield each `stateless_call` in training mode whose second result is not used."""
    for call in module.calls_by_name.get("stateless_call", ()):
        said = says(module, call)
        if said.is_nothing or (said.how is How.CONSTANT and not said.flag):
            continue
        if not isinstance(call.func, ast.Attribute) or not _is_dropped(module, call):
            continue
        if names.BATCH_NORM in kinds_held(module, call.func.value):
            yield call


def _is_dropped(module: Module, call: ast.expr) -> bool:
    """Whether nothing reads the second item of a call's result."""
    parent = module.scopes.parents.get(call)
    match parent:
        case ast.Subscript(value=value, slice=ast.Constant(value=int() as index)) if (
            value is call
        ):
            return index == 0
        case ast.Assign(targets=[ast.Tuple(elts=[_, second, *_]) as target]):
            starred = any(isinstance(element, ast.Starred) for element in target.elts)
            if isinstance(second, ast.Name) and not starred:
                return _is_unread(module, second, parent)
    return False


def _is_unread(module: Module, name: ast.Name, assigned: ast.AST) -> bool:
    """Whether a bound name is not read, or is returned to callers that drop it."""
    uses = [
        node
        for node in module.scopes.of(ast.Name)
        if node.id == name.id
        and isinstance(node.ctx, ast.Load)
        and any(
            entry.place is assigned
            for found in [module.scopes.lookup(node)]
            for entry in (found[1] if found else ())
        )
    ]
    return all(_is_returned_in_vain(module, use) for use in uses)


def _is_returned_in_vain(module: Module, use: ast.Name) -> bool:
    """Whether a function returns it, and each caller in sight drops that."""
    path: list[int] = []
    node: ast.AST = use
    for outer in module.scopes.ancestors(use):
        match outer:
            case ast.Tuple(elts=parts) if node in parts:
                path.insert(0, parts.index(node))
            case ast.Return():
                break
            case _:
                return False
        node = outer
    function = module.scopes.enclosing_function(use)
    if not path or not isinstance(function, Function):
        return False
    calls = [call for call, _ in calls_of(module, function)]
    return bool(calls) and all(_drops(module, call, path) for call in calls)


def _drops(module: Module, call: ast.Call, path: list[int]) -> bool:
    """Whether a caller binds that item to a name that it never reads.

    `value_and_grad(..., has_aux=True)` gives `(value, aux), gradients` of `value, aux`.
    """
    parent = module.scopes.parents.get(call)
    if not (isinstance(parent, ast.Assign) and len(parent.targets) == 1):
        return False
    target: ast.expr = parent.targets[0]
    match target:
        case ast.Tuple(elts=[ast.Tuple() as inner, _]):
            target = inner
    for index in path:
        if not isinstance(target, ast.Tuple) or index >= len(target.elts):
            return False
        target = target.elts[index]
    return isinstance(target, ast.Name) and _is_unread(module, target, parent)
