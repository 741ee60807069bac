"""Values that a binding gives its name: an assignment, an import, a parameter."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.imports import Found, imported, unbound
from ..reading.nodes import Function
from ..reading.values import (
    Class,
    Items,
    Literal,
    Parameter,
    Routine,
    Self,
    Value,
    default_of,
    is_class_method,
    is_self,
    unpacks,
)
from .items import parts
from .local_calls import calls_of
from .resolve import reads, values
from .starred import argument_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module


@reads(ast.Name)
def _name(module: Module, name: ast.Name) -> Iterator[Value]:
    found = module.scopes.lookup(name)
    if found is None:
        yield from evaluated(unbound(module, name.id))
        return
    rebound = len({binding.kind for binding in found[1]}) > 1
    for binding in found[1]:
        for value in _bound(module, binding):
            # A parameter that may get another value is unlikely to keep a bad default.
            handed = rebound and binding.kind is Kind.PARAMETER
            if not (handed and isinstance(value, Literal)):
                yield value


def _bound(module: Module, binding: Binding) -> Iterator[Value]:
    """The values that a binding gives its name."""
    node = binding.node
    match binding.kind:
        case Kind.VALUE:
            assert isinstance(node, ast.expr)
            yield from values(module, node)
        case Kind.ITEM:
            assert isinstance(node, ast.expr)
            for value in values(module, node):
                for part in parts(value, binding.index):
                    if binding.inner is None or not isinstance(part, Items):
                        yield part
                    else:
                        yield from parts(part, binding.inner)
        case Kind.IMPORT if module.project.trail.enter(node):
            yield from evaluated(imported(module, binding.dotted))
            module.project.trail.leave(node)
        case Kind.DEFINITION if isinstance(node, ast.ClassDef):
            yield Class(module, node)
        case Kind.DEFINITION:
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield Routine(module, node)
        case Kind.PARAMETER:
            assert isinstance(node, ast.arg)
            yield from _parameter(module, node)


def evaluated(found: Iterable[Found]) -> Iterator[Value]:
    """Yield the values of what was found in other modules."""
    for candidate in found:
        if isinstance(candidate, tuple):
            yield from _bound(*candidate)
        else:
            yield candidate


def _parameter(module: Module, argument: ast.arg) -> Iterator[Value]:
    """`self`, or the default and what the callers in the same module pass."""
    function = module.scopes.parents[module.scopes.parents[argument]]
    assert isinstance(function, Function)
    owner = module.owner_of(function)
    if owner is not None and is_self(function, argument):
        own = Class(module, owner)
        yield own if is_class_method(function) else Self(own)
        return
    yield Parameter(module, function, argument.arg)
    for expression in passed_here(module, function, argument.arg):
        yield from values(module, expression)


def passed_here(module: Module, function: Function, name: str) -> Iterator[ast.expr]:
    """Yield what callers in the module pass for a parameter, or its default."""
    passed, default_used = _passed(module, function, name)
    yield from passed
    default = default_of(function, name)
    if default is not None and default_used:
        yield default


def _passed(
    module: Module, function: Function, name: str
) -> tuple[list[ast.expr], bool]:
    """Return what callers in the module pass for it, and whether any omits it."""
    passed: list[ast.expr] = []
    calls = calls_of(module, function)
    omitted = not calls
    for call, skipped in calls:
        expression = argument_in(module, call, function, name, skipped)
        if expression is not None:
            passed.append(expression)
        elif not unpacks(call):
            omitted = True
    return passed, omitted
