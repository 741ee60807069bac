"""Comparisons of values, some of which are not known."""

from __future__ import annotations

import ast
import operator
from enum import Enum, auto

_ORDERS = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}


class Other(Enum):
    """A value that is not a constant."""

    UNKNOWN = auto()
    THING = auto()  # a layer, a class or the like, which counts as true


def compared(one: object, op: ast.cmpop, other: object) -> object:
    """Whether the comparison holds, or that it is not known."""
    if Other.UNKNOWN in (one, other):
        return Other.UNKNOWN
    if Other.THING in (one, other):
        differs = {ast.Is: False, ast.IsNot: True}
        nothing = None in (one, other)
        return differs.get(type(op), Other.UNKNOWN) if nothing else Other.UNKNOWN
    match op:
        case ast.Eq():
            return one == other
        case ast.NotEq():
            return one != other
        case ast.Is():
            return one is other
        case ast.IsNot():
            return one is not other
        case ast.In() | ast.NotIn() if isinstance(other, tuple | str):
            if isinstance(other, str) and not isinstance(one, str):
                return Other.UNKNOWN
            if isinstance(other, tuple) and Other.UNKNOWN in other:
                return Other.UNKNOWN
            return (one in other) is isinstance(op, ast.In)
        case ast.Gt() | ast.GtE() | ast.Lt() | ast.LtE():
            if isinstance(one, int | float) and isinstance(other, int | float):
                return _ORDERS[type(op)](one, other)
    return Other.UNKNOWN
