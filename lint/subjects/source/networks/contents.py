"""Layers that depend on `training`, held by an expression or a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading.memo import remembered
from .layer_search import LayerSearch

if TYPE_CHECKING:
    import ast

    from ..reading.module import Module
    from ..reading.values import Class
    from .search import Kinds


def kinds_held(
    module: Module, expression: ast.expr, even_frozen: bool = False
) -> Kinds:
    """Return the kinds held by the layer, network or tensor of an expression."""
    return _kinds_held(module, expression, even_frozen)


@remembered
def _kinds_held(module: Module, expression: ast.expr, even_frozen: bool) -> Kinds:
    return LayerSearch(even_frozen).expression(module, expression)


def kinds_of_class(
    cls: Class, surely: bool = False, at_any_rate: bool = False
) -> Kinds:
    """Return what instances of a class hold, and their `call` uses.

    `surely` leaves out what only one of several alternatives holds. `at_any_rate`
    counts dropout whose rate is 0 only because nothing in sight sets another.
    """
    return LayerSearch(surely=surely, at_any_rate=at_any_rate).of_class(cls)
