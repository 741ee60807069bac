"""Entries that dicts are written with, or that are put into them afterwards.

And attributes that are set on objects: `settings.momentum = 0.9`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.values import Items, Parameter, dict_entries
from .classes import keyword
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.bindings import Scope
    from ..reading.module import Module


@remembered
def entries(module: Module) -> dict[str, list[ast.Assign | ast.Call]]:
    """Map dict names to what puts entries into them: `kw[...] =`, `kw.update()`.

    And `kw.setdefault()`.
    """
    index: dict[str, list[ast.Assign | ast.Call]] = {}
    for node in module.scopes.of(ast.Assign):
        match node.targets:
            case [ast.Subscript(value=ast.Name(id=name))]:
                index.setdefault(name, []).append(node)
    for word in ("update", "setdefault"):
        for call in module.calls_by_name.get(word, ()):
            match call.func:
                case ast.Attribute(value=ast.Name(id=name)):
                    index.setdefault(name, []).append(call)
    return index


def put_in(module: Module, base: ast.Name, key: ast.expr) -> Iterator[ast.expr]:
    """What is put into a dict, by that key or where one of the two is not known."""
    for put in entries(module).get(base.id, ()):
        match put:
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name() as name, slice=other)],
                value=value,
            ) if _scope(module, name) is _scope(module, base):
                known = all(isinstance(one, ast.Constant) for one in (key, other))
                if not known or ast.unparse(key) == ast.unparse(other):
                    yield value
            case ast.Call(func=ast.Attribute(value=ast.Name() as name)) if isinstance(
                key, ast.Constant
            ) and _scope(module, name) is _scope(module, base):
                entry = entry_of_call(put, key.value)
                if entry is not None:
                    yield entry


def entry_of_call(call: ast.Call, key: object) -> ast.expr | None:
    """What `kw.update(...)` or `kw.setdefault(key, ...)` puts in by a key."""
    match call.args:
        case [ast.Constant(value=other), value] if last_word(call.func) == "setdefault":
            return value if other == key else None
        case [ast.Dict(keys=keys, values=written)]:
            for one, value in zip(keys, written, strict=True):
                if isinstance(one, ast.Constant) and one.value == key:
                    return value
    return keyword(call, key) if isinstance(key, str) else None


def set_on(module: Module, base: ast.expr, attribute: str) -> Iterator[ast.expr]:
    """What an attribute of something is set to, where that has the same name."""
    first = _first_name(base)
    for holder, name, value in _set_attributes(module).get(attribute, ()):
        if first is None or ast.unparse(holder) != ast.unparse(base):
            continue
        if _scope(module, name) is _scope(module, first):
            yield value


@remembered
def _set_attributes(
    module: Module,
) -> dict[str, list[tuple[ast.expr, ast.Name, ast.expr]]]:
    """What is set to attributes of names, or of attributes of these, by its name."""
    index: dict[str, list[tuple[ast.expr, ast.Name, ast.expr]]] = {}
    for node in module.scopes.of(ast.Assign):
        match node.targets:
            case [ast.Attribute(value=holder, attr=attribute)]:
                name = _first_name(holder)
                if name is not None:
                    index.setdefault(attribute, []).append((holder, name, node.value))
    return index


def _first_name(expression: ast.expr) -> ast.Name | None:
    """`config` of `config.model.norm`."""
    while isinstance(expression, ast.Attribute):
        expression = expression.value
    return expression if isinstance(expression, ast.Name) else None


def written_in(
    module: Module, base: ast.expr, key: ast.expr
) -> list[tuple[Module, ast.expr]]:
    """What dicts are written with for a constant key; nothing if one is not known.

    A parameter counts as what callers in sight pass.
    """
    found: list[tuple[Module, ast.expr]] = []
    if not isinstance(key, ast.Constant):
        return found
    for value in values(module, base):
        if isinstance(value, Parameter):
            continue
        if not (isinstance(value, Items) and key.value in dict_entries(value)):
            return []
        found.append((value.module, dict_entries(value)[key.value]))
    return found


def _scope(module: Module, name: ast.Name) -> Scope | None:
    found = module.scopes.lookup(name)
    return found[0] if found else None
