"""Entries that dicts are written with, or that are put into them afterwards."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.values import Items, Parameter, dict_entries
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.bindings import Scope
    from ..reading.module import Module


@remembered
def entries(module: Module) -> dict[str, list[ast.Assign | ast.Call]]:
    """Map dict names to what puts entries into them: `kw[...] =`, `kw.update()`."""
    index: dict[str, list[ast.Assign | ast.Call]] = {}
    for node in module.scopes.of(ast.Assign):
        match node.targets:
            case [ast.Subscript(value=ast.Name(id=name))]:
                index.setdefault(name, []).append(node)
    for call in module.calls_by_name.get("update", ()):
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
