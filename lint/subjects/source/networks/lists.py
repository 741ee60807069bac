"""Lists of layers that are built up, and then applied one after the other."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def applied_lists(module: Module) -> Iterator[ast.List]:
    """Yield the lists, named or added to a named one, whose layers are applied."""
    applied = names_applied(module)
    for node in module.scopes.of(ast.Assign, ast.AugAssign) if applied else ():
        match node:
            case (
                ast.Assign(targets=[name], value=ast.List() as layers)
                | ast.AugAssign(target=name, value=ast.List() as layers)
            ) if ast.unparse(name) in applied:
                yield layers
    for call in module.calls_by_name.get("extend", ()) if applied else ():
        match call:
            case ast.Call(
                func=ast.Attribute(value=name), args=[ast.List() as layers]
            ) if ast.unparse(name) in applied:
                yield layers


@remembered
def names_applied(module: Module) -> frozenset[str]:
    """Return the names of lists that a `Sequential` or a loop goes through."""
    found = {
        ast.unparse(given.value if isinstance(given, ast.Starred) else given)
        for call in module.calls_by_name.get("Sequential", ())
        for given in call.args[:1]
        if not isinstance(given, ast.List)
    }
    for loop in module.scopes.of(ast.For):
        for statement in loop.body:
            match statement:
                case ast.Assign(
                    targets=[tensor],
                    value=ast.Call(func=ast.Name(id=layer), args=[given, *_]),
                ) if layer == ast.unparse(loop.target):
                    if ast.unparse(tensor) == ast.unparse(given):
                        found.add(ast.unparse(loop.iter))
    return frozenset(found)
