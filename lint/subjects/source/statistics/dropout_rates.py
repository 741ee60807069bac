"""Rates of dropout that are none, drop all or most, or are named as what is kept."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ... import names
from ..reading.nodes import last_word
from ..reading.values import Known, unpacks
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.switches import constants_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_FUNCTION = "tensorflow.layers.dropout"
_KEPT = re.compile(r"(^|_)keep(_?(prob|rate|ratio))?(ability)?$", re.IGNORECASE)
_HALF = 0.5
_MOST = 0.8  # a usual share to keep, and hardly ever one to drop


class Kind(Enum):
    """What is wrong with a rate."""

    IS_ONE = "it drops all"
    NO_SHARE = "it is above 1"
    IS_MOST = "it drops most"
    IS_KEPT = "its name says that it is what is kept"


@dataclass(frozen=True)
class DropoutRate:
    """A rate of dropout that is not what it seems.

    Attributes:
        node: the argument.
        called: the layer, as written.
        kind: what is wrong with it.
        value: the rate; 0 if it is not known.
    """

    node: ast.expr
    called: str
    kind: Kind
    value: float = 0


def dropout_rates(module: Module) -> Iterator[DropoutRate]:
    """Yield each rate of Keras' dropout, or of `tf.layers`, that is one of these.

    Layers that are meant to drop most of a wide input are hardly told from mistaken
    ones: of them the first is enough.
    """
    reported = False
    if not module.mentions("ropout") or module.is_test:
        return
    for call in module.calls:
        word = last_word(call.func)
        if "ropout" not in word or unpacks(call):
            continue
        for value in values(module, call.func):
            rate = _rate(value.name, call) if isinstance(value, Known) else None
            if rate is None:
                continue
            kind, number = _judged(rate, constants_of(module, rate))
            is_repeated = kind is Kind.IS_MOST and reported
            if kind is not None and not is_repeated:
                yield DropoutRate(rate, ast.unparse(call.func), kind, number)
            reported |= kind is Kind.IS_MOST
            break


def _judged(rate: ast.expr, found: list[object]) -> tuple[Kind | None, float]:
    """What is wrong with a rate that may be these, if anything, and its number."""
    match found:
        case [int() | float() as number] if not isinstance(number, bool):
            if number >= 1:
                return Kind.IS_ONE if number == 1 else Kind.NO_SHARE, number
        case _:
            number = 0.0
    if _KEPT.search(last_word(rate)) and found != [_HALF]:
        return Kind.IS_KEPT, number
    return Kind.IS_MOST if number >= _MOST else None, number


def _rate(name: str, call: ast.Call) -> ast.expr | None:
    place = int(name == _FUNCTION)
    if not place and not (
        name.startswith("keras.layers.") and names.DROPOUT in names.kinds_named(name)
    ):
        return None
    given = call.args[place] if len(call.args) > place else None
    return keyword(call, "rate") or given
