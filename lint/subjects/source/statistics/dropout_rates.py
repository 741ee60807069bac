"""Rates of dropout that drop everything, or that are named as what is kept."""

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


@dataclass(frozen=True)
class DropoutRate:
    """A rate of dropout that is not what it seems.

    Attributes:
        node: the argument.
        called: the layer, as written.
        is_one: whether it is 1; else its name says that it is what is kept.
    """

    node: ast.expr
    called: str
    is_one: bool


def dropout_rates(module: Module) -> Iterator[DropoutRate]:
    """Yield each rate of Keras' dropout, or of `tf.layers`, that is 1 or is kept."""
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
            break


def _rate(name: str, call: ast.Call) -> ast.expr | None:
    place = int(name == _FUNCTION)
    if not place and not (
        name.startswith("keras.layers.") and names.DROPOUT in names.kinds_named(name)
    ):
        return None
    given = call.args[place] if len(call.args) > place else None
    return keyword(call, "rate") or given
