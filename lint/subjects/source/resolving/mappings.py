"""Mappings whose entries become attributes of an instance: `vars(self).update(kw)`.

Also `self.__dict__.update(kw)`, and a loop over the mapping with `setattr`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import nodes_in
from .members import self_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .members import Method


def mappings_in(method: Method) -> Iterator[ast.expr]:
    """Yield the mappings whose entries a method makes attributes of its instance."""
    me = self_name(method)
    for node in nodes_in(method):
        match node:
            case ast.Call(
                func=ast.Attribute(value=to, attr="update"), args=args, keywords=words
            ) if _is_namespace(to, me):
                yield from args
                yield from (word.value for word in words if word.arg is None)
            case ast.Assign(targets=[target], value=mapping) if _is_namespace(
                target, me
            ):
                yield mapping
            case ast.For(target=key, iter=mapping) if _sets_each(node, me, key):
                match mapping:
                    case ast.Call(func=ast.Attribute(value=whole), args=[]):
                        yield whole  # mapping.items()
                    case _:
                        yield mapping


def _is_namespace(node: ast.expr, me: str | None) -> bool:
    """Whether it is `self.__dict__` or `vars(self)`."""
    match node:
        case (
            ast.Attribute(value=ast.Name(id=name), attr="__dict__")
            | ast.Call(func=ast.Name(id="vars"), args=[ast.Name(id=name)])
        ):
            return name == me
    return False


def _sets_each(loop: ast.For, me: str | None, target: ast.expr) -> bool:
    """Whether a loop over names, or names and values, sets the attributes so named."""
    key = target.elts[0] if isinstance(target, ast.Tuple) else target
    if not isinstance(key, ast.Name):
        return False
    for statement in loop.body:
        match statement:
            case ast.Expr(
                ast.Call(
                    func=ast.Name(id="setattr"),
                    args=[ast.Name(id=name), ast.Name(id=word), _],
                )
            ) if name == me and word == key.id:
                return True
            case ast.Assign(
                targets=[ast.Subscript(value=to, slice=ast.Name(id=word))]
            ) if _is_namespace(to, me) and word == key.id:
                return True
    return False
