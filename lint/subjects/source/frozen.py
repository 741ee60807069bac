"""Which networks and layers a module freezes with `trainable = False`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module


class Freezes:
    """What `x.trainable = ...` says in one module.

    Networks are known by the last word of what is frozen (`base` of `self.base`), which
    is coarse on purpose: what may be frozen is left alone.
    """

    def __init__(self, module: Module):
        self.frozen: set[str] = set()
        self.released: set[str] = set()
        for name, value in _settings(module):
            is_true = isinstance(value, ast.Constant) and value.value is True
            (self.released if is_true else self.frozen).add(name)

    def covers(self, expression: ast.expr) -> bool:
        """Whether the module freezes, perhaps not for ever, what is named here."""
        return _frozen_name(expression) in self.frozen

    def for_good(self, expression: ast.expr) -> bool:
        """Whether it freezes it and never sets it free again."""
        name = _frozen_name(expression)
        return name in self.frozen and name not in self.released


def _settings(module: Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.scopes.nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=base, attr="trainable")]):
                yield _frozen_name(base), node.value
                for loop in module.scopes.ancestors(node):
                    if isinstance(loop, ast.For):
                        yield _frozen_name(loop.iter), node.value


def _frozen_name(expression: ast.expr) -> str:
    """`base` of `self.base`, `base.layers[:-4]` and `enumerate(base.layers)`."""
    while True:
        match expression:
            case ast.Subscript(value=inner):
                expression = inner
            case ast.Attribute(value=inner, attr="layers" | "_layers"):
                expression = inner
            case ast.Attribute(attr=name) | ast.Name(id=name):
                return name
            case ast.Call(args=[inner, *_]) | ast.Call(func=inner):
                expression = inner
            case _:
                return ""
