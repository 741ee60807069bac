"""Calls that pass what says whether a layer learns as the phase."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import Kinds, kinds_held
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG, FLAG_OF_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_GIVEN = re.compile(r"training\s*=\s*[\w.]*\btrainable\b")


@dataclass(frozen=True)
class TrainableFlag:
    """`training=self.trainable`.

    Attributes:
        flag: what is passed.
        kinds: what the call runs of BN and dropout.
    """

    flag: ast.Name | ast.Attribute
    kinds: Kinds

    @property
    def surely(self) -> bool:
        """Whether it is the attribute of a layer; a parameter may get the phase."""
        return isinstance(self.flag, ast.Attribute)


def trainable_flags(module: Module) -> Iterator[TrainableFlag]:
    """Yield each such call of BN or dropout, or of a network with them."""
    for call in module.calls if module.matches(_GIVEN) else ():
        given = keyword(call, FLAG) or keyword(call, FLAG_OF_FUNCTIONS)
        match given:
            case ast.Name(id="trainable") | ast.Attribute(attr="trainable"):
                kinds = _kinds_run(module, call) & {names.BATCH_NORM, names.DROPOUT}
                if kinds:
                    yield TrainableFlag(given, kinds)


def _kinds_run(module: Module, call: ast.Call) -> Kinds:
    """What a call runs: a function of TensorFlow 1, or a layer."""
    found = kinds_held(module, call.func)
    for value in values(module, call.func):
        if isinstance(value, Known):
            found |= names.kinds_named(value.name)
            if value.name in names.DROPOUT_FUNCTIONS:
                found |= {names.DROPOUT}
    return found
