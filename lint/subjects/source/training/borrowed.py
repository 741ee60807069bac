"""Classes that are built from the layers of a network that was trained by itself."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.contents import kinds_held
from ..reading.bindings import Kind
from ..reading.values import Class, argument_for
from ..resolving.callers import all_calls
from ..resolving.classes import layer_calls
from ..resolving.lineage import method_of, project_lineage
from ..resolving.members import attribute_of_self, members, self_name

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.nodes import Function

_TRAINED_BY = (
    *("fit", "fit_generator", "train_on_batch", "load_weights", "set_weights"),
    "restore",
)


def only_borrows(cls: Class) -> bool:
    """Whether all that depends on the phase in a class belongs to another network.

    That is so if its constructor gets layers of a network, or a network that is trained
    where it is passed in.
    """
    constructor = method_of(cls, "__init__")
    used = [
        (routine.module, attribute_of_self(call.func, self_name(routine.node)))
        for routine, call in layer_calls(cls)
        if kinds_held(routine.module, call.func)
    ]
    if constructor is None or not used:
        return False
    given = [
        (ancestor.module, expression)
        for _, name in used
        for ancestor in project_lineage(cls)
        for expression in members(ancestor.module, ancestor.node).given(name or "")
    ]
    return bool(given) and all(
        _is_borrowed(module, expression, constructor.node)
        for module, expression in given
    )


def _is_borrowed(module: Module, expression: ast.expr, constructor: Function) -> bool:
    root = _root(expression)
    found = module.scopes.lookup(root) if root is not None else None
    if root is None or found is None:
        return False
    bindings = found[1]
    if not all(
        binding.kind is Kind.PARAMETER and binding.place is constructor
        for binding in bindings
    ):
        return False
    passed = [
        (where, argument_for(call, constructor, root.id, skipped))
        for where, call, skipped in all_calls(module, constructor)
    ]
    part = not isinstance(expression, ast.Name)
    return bool(passed) and all(
        argument is not None
        and (part or _is_part(argument) or _is_trained(where, argument))
        for where, argument in passed
    )


def _root(expression: ast.expr) -> ast.Name | None:
    """`net` of `net.layers[0]` and of `net.get_layer("x")`."""
    while True:
        match expression:
            case ast.Name():
                return expression
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                expression = inner
            case ast.Call(func=ast.Attribute(value=inner)):
                expression = inner
            case _:
                return None


def _is_part(passed: ast.expr) -> bool:
    """Whether it is a layer of some network."""
    return not isinstance(passed, ast.Name) and _root(passed) is not None


def _is_trained(module: Module, passed: ast.expr) -> bool:
    name = ast.unparse(passed)
    return any(
        isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == name
        for word in _TRAINED_BY
        for call in module.calls_by_name.get(word, ())
    )
