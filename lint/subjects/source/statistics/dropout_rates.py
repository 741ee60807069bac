"""Rates of dropout that drop all or most, or that are named as what is kept."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
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


@dataclass(frozen=True)
class DropoutRate:
    """A rate of dropout that is not what it seems.

    Attributes:
        node: the argument.
        called: the layer, as written.
        is_one: whether it is 1.
        most: the rate, if most is dropped; else its name says that it is what is kept.
    """

    node: ast.expr
    called: str
    is_one: bool
    most: float | None = None


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
            found = constants_of(module, rate)
            if len(found) == 1 and type(found[0]) in (int, float) and found[0] == 1:
                yield DropoutRate(rate, ast.unparse(call.func), True)
            elif _KEPT.search(last_word(rate)) and found != [_HALF]:
                yield DropoutRate(rate, ast.unparse(call.func), False)
            elif not reported and (most := _most(found)) is not None:
                reported = True
                yield DropoutRate(rate, ast.unparse(call.func), False, most)
            break


def _most(found: list[object]) -> float | None:
    """The rate, if it is known and most is dropped."""
    match found:
        case [float() as rate] if _MOST <= rate < 1:
            return rate
    return None


def _rate(name: str, call: ast.Call) -> ast.expr | None:
    place = int(name == _FUNCTION)
    if not place and not (
        name.startswith("keras.layers.") and names.DROPOUT in names.kinds_named(name)
    ):
        return None
    given = call.args[place] if len(call.args) > place else None
    return keyword(call, "rate") or given
