"""Conditions under which code is run, within its function."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import ScopeNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


Condition = tuple[ast.expr, bool]


@remembered
def conditions_around(module: Module, node: ast.AST) -> tuple[Condition, ...]:
    """Return the conditions around a node, each with the outcome that leads to it."""
    return tuple(_conditions(module, node, guards=False))


@remembered
def conditions_of(module: Module, node: ast.AST) -> tuple[Condition, ...]:
    """Return also those before it, by which the function would have ended."""
    return tuple(_conditions(module, node, guards=True))


def _conditions(module: Module, node: ast.AST, *, guards: bool) -> Iterator[Condition]:
    inner = node
    for outer in module.scopes.ancestors(node):
        match outer:
            case ast.If(test=test, body=body) if inner is not test:
                yield test, inner in body
            case ast.IfExp(test=test, body=one) if inner is not test:
                yield test, inner is one
        if guards:
            for part in ("body", "orelse"):
                around = getattr(outer, part, None)
                if isinstance(around, list) and inner in around:
                    for before in around[: around.index(inner)]:
                        match before:
                            case ast.If(
                                test=test, body=[*_, ast.Return() | ast.Raise()]
                            ):
                                yield test, False
        if isinstance(outer, ScopeNode):
            return
        inner = outer
