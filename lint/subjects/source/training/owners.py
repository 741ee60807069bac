"""The networks that the gradients of a training step are for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import NAMES_VISITED
from ..reading.nodes import Function
from ..reading.values import Class, Result, Routine, Self, argument_for
from ..resolving.callers import handed_in
from ..resolving.classes import keras_kind
from ..resolving.entries import put_in
from ..resolving.handed import as_caller_writes
from ..resolving.lineage import method_of
from ..resolving.local_calls import calls_of
from ..resolving.members import attribute_of_self, members, returns_of, self_name
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_VARIABLES = (
    *("trainable_variables", "trainable_weights", "variables", "weights"),
    "parameters",
)


def owners(module: Module, source: ast.AST) -> Iterator[ast.expr]:
    """`net` of every `net.trainable_variables` that the sources lead to."""
    return _owners(module, source, set())


def trained_of(module: Module, owner: ast.expr) -> Iterator[tuple[Module, ast.expr]]:
    """Yield the owner of variables, or what a property of its class takes them from."""
    found = False
    for where, known in ((module, owner), *handed_in(module, owner)):
        for value in values(where, known):
            match value:
                case Self(cls) | Result(maker=Class() as cls):
                    for routine, network in _of_property(cls):
                        found = True
                        yield routine.module, network
                        name = attribute_of_self(network, self_name(routine.node))
                        if name is not None:
                            part = ast.Attribute(owner, name, ast.Load())
                            yield module, ast.copy_location(part, owner)
    if not found:
        yield module, owner


def _of_property(cls: Class) -> Iterator[tuple[Routine, ast.expr]]:
    """The networks whose variables a property of the class itself gives."""
    for name in _VARIABLES[:2] if keras_kind(cls) is None else ():
        routine = method_of(cls, name)
        if routine is not None:
            for returned in returns_of(routine.module, routine.node):
                for owner in owners(routine.module, returned):
                    yield routine, owner


def _owners(
    module: Module, source: ast.AST, visited: set[ast.AST]
) -> Iterator[ast.expr]:
    if source in visited or len(visited) > NAMES_VISITED:
        return
    visited.add(source)
    inner: list[ast.expr] = []
    match source:
        case ast.Attribute(value=network, attr=name) if name in _VARIABLES:
            yield network
        case ast.Attribute(value=base, attr=name):
            for value in values(module, base):
                if isinstance(value, Self) and value.cls.module is module:
                    inner += members(module, value.cls.node).given(name)
        case ast.Name():
            inner += _bound_to(module, source)
        case ast.Subscript(value=ast.Name() as base, slice=key):
            inner += [base, *put_in(module, base, key)]
        case ast.Call() if routines := _own_routines(module, source):
            for routine in routines:
                yield from _returned(module, source, routine, visited)
        case _:
            for child in ast.iter_child_nodes(source):
                yield from _owners(module, child, visited)
    for layer in inner:
        yield from _owners(module, layer, visited)


def _own_routines(module: Module, call: ast.Call) -> list[Routine]:
    """The functions and methods of the module itself that a call runs."""
    return [
        value
        for value in values(module, call.func)
        if isinstance(value, Routine)
        and value.module is module
        and not isinstance(value.node, ast.Lambda)
    ]


def _returned(
    module: Module, call: ast.Call, routine: Routine, visited: set[ast.AST]
) -> Iterator[ast.expr]:
    """The owners of the variables that a function returns, as its caller knows them."""
    for returned in returns_of(module, routine.node):
        for owner in _owners(module, returned, set(visited)):
            known = as_caller_writes(module, call, routine, owner)
            if known is not None:
                yield known
            elif isinstance(owner, ast.Name):
                found = module.scopes.lookup(owner)
                if found is not None and found[0] is module.scopes.top:
                    yield owner


def _bound_to(module: Module, name: ast.Name) -> Iterator[ast.expr]:
    """The expressions that a name stands for, those that callers pass among them."""
    found = module.scopes.lookup(name)
    for binding in found[1] if found else ():
        if binding.kind in (Kind.VALUE, Kind.ITEM):
            assert isinstance(binding.node, ast.expr)
            yield binding.node
        elif binding.kind is Kind.PARAMETER:
            assert isinstance(binding.place, Function)
            for call, skipped in calls_of(module, binding.place):
                passed = argument_for(call, binding.place, name.id, skipped)
                if passed is not None:
                    yield passed
