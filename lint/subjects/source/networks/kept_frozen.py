"""Loops that freeze the batch normalization of a network, and nothing else."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def kept_frozen(module: Module) -> Iterator[tuple[str, int]]:
    """Yield the name of each network whose batch normalization a loop freezes.

    It comes with the line: what is unfrozen as a whole before it stays frozen there.
    """
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name() as layer, attr="trainable")],
                value=value,
            ) if _freezes_batch_norm(module.scopes.parents.get(node), node, value):
                loop = module.scopes.loop_of(layer)
                if loop is not None and not _is_of_some(loop.iter):
                    yield frozen_name(loop.iter), value.lineno


def _freezes_batch_norm(
    condition: ast.AST | None, node: ast.Assign, value: ast.expr
) -> bool:
    """`if isinstance(layer, BatchNormalization): ... = False`, also with `or`.

    Or `layer.trainable = not isinstance(layer, BatchNormalization)`.
    """
    match condition, value:
        case _, ast.UnaryOp(op=ast.Not(), operand=asked):
            return _asks_for_batch_norm(asked)
        case ast.If(test=test, body=body), ast.Constant(value=False) if node in body:
            return any(map(_asks_for_batch_norm, _alternatives(test)))
    return False


def _alternatives(test: ast.expr) -> list[ast.expr]:
    match test:
        case ast.BoolOp(op=ast.Or(), values=tests):
            return tests
    return [test]


def _asks_for_batch_norm(test: ast.expr) -> bool:
    match test:
        case ast.Call(func=ast.Name(id="isinstance")):
            return "BatchNorm" in ast.unparse(test)
    return False


def _is_of_some(layers: ast.expr) -> bool:
    """Whether a loop goes through some of the layers: `base.layers[50:]`."""
    return any(isinstance(node, ast.Subscript) for node in ast.walk(layers))


def frozen_name(expression: ast.expr) -> str:
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
