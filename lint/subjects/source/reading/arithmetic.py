"""Arithmetic on the numbers of a source."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_DIGITS = 12  # 1 - 0.9 is 0.1


def calculated(operation: ast.operator, left: float, right: float) -> float | None:
    """The result of an operation; None if there is none, or it is no real number."""
    function = _OPERATIONS.get(type(operation))
    if function is None:
        return None
    try:
        result = function(float(left), float(right))
    except ArithmeticError:
        return None
    return round(result, _DIGITS) if isinstance(result, float) else None
