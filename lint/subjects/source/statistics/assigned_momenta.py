"""Momentum that is set on layers of batch normalization: `layer.momentum = 0.9`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import found_once
from ..reading.values import Result, is_number
from ..resolving.conditions import conditions_around
from ..resolving.numbers import number
from ..resolving.resolve import values
from ..resolving.settings import literals
from .batch_norms import batch_norm_name
from .conditions_on_layers import is_of_batch_norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


@found_once
def assigned_momenta(module: Module) -> Iterator[ast.Assign]:
    """Yield what sets the momentum of a layer that is surely batch normalization.

    Not to 0, which is meant: the statistics of one batch.
    """
    for node in module.scopes.of(ast.Assign):
        match node.targets:
            case [ast.Attribute(value=ast.Name() as layer, attr="momentum")] if (
                _is_batch_norm(module, node, layer) and number(module, node.value) != 0
            ):
                yield node


def changes_later(module: Module, momentum: float) -> bool:
    """Whether the module gives a layer another momentum once it is built."""
    return any(
        isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
        and _may_differ(module, module.scopes.parents.get(node), momentum)
        for node in module.scopes.of(ast.Attribute)
        if node.attr == "momentum"
    )


def _is_batch_norm(module: Module, node: ast.Assign, layer: ast.Name) -> bool:
    made = any(
        isinstance(value, Result) and batch_norm_name(value.maker) is not None
        for value in values(module, layer)
    )
    return made or any(
        wanted and is_of_batch_norm(module, test, layer.id)
        for test, wanted in conditions_around(module, node)
    )


def _may_differ(module: Module, node: ast.AST | None, momentum: float) -> bool:
    match node:
        case ast.AugAssign():
            return True
        case ast.Assign(value=given):
            numbers = {
                float(literal.value)  # type: ignore[arg-type]
                for literal in literals(module, given)
                if is_number(literal.value)
            }
            return numbers != {momentum}
    return False
