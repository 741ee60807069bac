"""Entries of a dict that functions and decorators register in it: `@register("name")`.

MODELS = {}

def register(name):
    def add(factory):
        MODELS[name] = factory
        return factory
    return add
"""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import FILES_REACHED
from ..reading.memo import remembered
from ..reading.nodes import Function, last_word
from ..reading.values import Class, Items, Result, Routine, Value
from .entries import entries
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

Entry = tuple[object, Value]


def registered(registry: Items) -> tuple[Entry, ...]:
    """What is registered in a dict that is empty at first, each with its key.

    The key is None where it is not a constant.
    """
    if isinstance(registry.node, ast.Dict) and registry.node.keys:
        return ()
    if isinstance(registry.node, ast.Call) and registry.node.keywords:
        return ()
    return _registered(registry.module, registry.node)


@remembered
def _registered(module: Module, node: ast.expr) -> tuple[Entry, ...]:
    match module.scopes.parents.get(node):
        case (
            ast.Assign(targets=[ast.Name(id=name)])
            | ast.AnnAssign(target=ast.Name(id=name))
        ) if module.scopes.scope_of(node) is module.scopes.top:
            found = (
                entry
                for put in entries(module).get(name, ())
                if isinstance(put, ast.Assign)
                for entry in _put(module, put)
            )
            return tuple(dict.fromkeys(found))
    return ()


def _put(module: Module, put: ast.Assign) -> Iterator[Entry]:
    """What `registry[key] = value` may put in, in a function or outside of any."""
    target = put.targets[0]
    assert isinstance(target, ast.Subscript)
    adding = _function_of_parameter(module, put.value)
    if adding is not None:
        around = module.scopes.enclosing_function(adding)
        yield from _decorated_by(module, around or adding)
        return
    key = target.slice.value if isinstance(target.slice, ast.Constant) else None
    for value in values(module, put.value):
        if isinstance(value, Routine | Class | Result):
            yield key, value


def _function_of_parameter(
    module: Module, expression: ast.expr
) -> ast.FunctionDef | None:
    """The function whose parameter it is."""
    looked_up = (
        module.scopes.lookup(expression) if isinstance(expression, ast.Name) else None
    )
    match looked_up:
        case _, [binding] if binding.kind is Kind.PARAMETER and isinstance(
            binding.place, ast.FunctionDef
        ):
            return binding.place
    return None


def _decorated_by(module: Module, decorator: Function) -> Iterator[Entry]:
    """The functions and classes that it decorates, in this file and in others."""
    name = getattr(decorator, "name", "")
    near = module.project.naming(name)
    for where in (module, *islice(near, FILES_REACHED)):
        for node in where.scopes.of(ast.FunctionDef):
            for key in _keys(where, node.decorator_list, decorator, name):
                yield key, Routine(where, node)
        for cls in where.classes:
            for key in _keys(where, cls.decorator_list, decorator, name):
                yield key, Class(where, cls)


def _keys(
    module: Module, decorators: list[ast.expr], wanted: Function, name: str
) -> Iterator[object]:
    """The keys, None if not a constant, of the decorators that are the wanted one."""
    for used in decorators:
        called = used.func if isinstance(used, ast.Call) else used
        if last_word(called) == name and _is_one(module, called, wanted):
            match used:
                case ast.Call(args=[ast.Constant(value=key), *_]):
                    yield key
                case _:
                    yield None


def _is_one(module: Module, called: ast.expr, decorator: Function) -> bool:
    """Whether it is that function: a file is read twice, to lint and as imported."""
    return any(
        isinstance(value, Routine) and value.node.lineno == decorator.lineno
        for value in values(module, called)
    )
