"""The networks that the gradients of a training step are for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import NAMES_VISITED
from ..reading.memo import remembered
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
    module: Module, source: ast.AST, visited: set[ast.AST], into_calls: bool = True
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
            inner += [*_bound_to(module, source), *_added_to(module, source)]
        case ast.Subscript(value=ast.Name() as base, slice=key):
            inner += [base, *put_in(module, base, key)]
        case ast.Call() if into_calls and (routines := _routines(module, source)):
            for routine in routines:
                yield from _returned(module, source, routine)
        case _:
            for child in ast.iter_child_nodes(source):
                yield from _owners(module, child, visited, into_calls)
    for layer in inner:
        yield from _owners(module, layer, visited, into_calls)


def _routines(module: Module, call: ast.Call) -> list[Routine]:
    """The functions and methods of the project that return variables to a call."""
    return [
        value
        for value in values(module, call.func)
        if isinstance(value, Routine) and _owners_returned(value.module, value.node)
    ]


def _returned(module: Module, call: ast.Call, routine: Routine) -> Iterator[ast.expr]:
    """The owners of the variables that a function returns, as its caller knows them."""
    for owner in _owners_returned(routine.module, routine.node):
        known = as_caller_writes(module, call, routine, owner)
        if known is not None:
            yield known
        elif routine.module is module and is_global(module, owner):
            yield owner


@remembered
def _owners_returned(module: Module, function: Function) -> list[ast.expr]:
    """Return `net` of each `net.trainable_variables` that a function itself returns."""
    if isinstance(function, ast.Lambda) or not any(
        isinstance(node, ast.Attribute) and node.attr in _VARIABLES
        for node in ast.walk(function)
    ):
        return []
    return [
        owner
        for returned in returns_of(module, function)
        for found in _owners(module, returned, set(), into_calls=False)
        for owner in _listed(module, found)
    ]


def _listed(module: Module, owner: ast.expr) -> list[ast.expr]:
    """The networks that a loop goes over for one that it names."""
    loop = module.scopes.loop_of(owner) if isinstance(owner, ast.Name) else None
    if loop is not None and isinstance(loop.iter, ast.List | ast.Tuple):
        return loop.iter.elts
    return [owner]


def is_global(module: Module, owner: ast.expr) -> bool:
    """Whether it is a name that the module gives, which means the same all over it."""
    found = module.scopes.lookup(owner) if isinstance(owner, ast.Name) else None
    return found is not None and found[0] is module.scopes.top


def _added_to(module: Module, name: ast.Name) -> Iterator[ast.expr]:
    """What a function adds to a list: `variables.extend(net.trainable_variables)`.

    And `variables += net.trainable_variables`.
    """
    function = module.scopes.enclosing_function(name)
    for node in module.scopes.of(ast.AugAssign):
        match node.target:
            case ast.Name(id=to) as before if to == name.id:
                if module.scopes.enclosing_function(node) is function:
                    yield from (before, node.value)
    for word in ("extend", "append"):
        for call in module.calls_by_name.get(word, ()):
            match call.func:
                case ast.Attribute(value=ast.Name(id=to)) if to == name.id:
                    if module.scopes.enclosing_function(call) is function:
                        yield from call.args


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
