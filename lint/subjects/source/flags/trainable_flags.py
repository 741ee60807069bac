"""Calls that pass what says whether a layer learns as the phase."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG, FLAG_OF_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module

_GIVEN = re.compile(r"training\s*=\s*[\w.]*\btrainable(_\w+)?\b")
# Where `tf` is handed on by a module that is not followed.
_WRITTEN = {
    "tf.layers.batch_normalization": names.BATCH_NORM,
    "tf.layers.dropout": names.DROPOUT,
}
_NAME = re.compile(r"trainable(_\w+)?$")


@dataclass(frozen=True)
class TrainableFlag:
    """`training=self.trainable`.

    Attributes:
        flag: what is passed.
        kinds: what the call runs of BN and dropout.
        resolved: whether that is seen, not only written so.
        of_graphs: whether it is a function of TensorFlow 1, as written.
    """

    flag: ast.Name | ast.Attribute
    kinds: Kinds
    resolved: bool = True
    of_graphs: bool = False

    @property
    def surely(self) -> bool:
        """Whether it is that attribute of a layer; a parameter may get the phase."""
        return self.resolved and getattr(self.flag, "attr", "") == "trainable"


def trainable_flags(module: Module) -> Iterator[TrainableFlag]:
    """Yield each such call of BN or dropout, or of a network with them."""
    for call in module.calls if module.matches(_GIVEN) else ():
        given = keyword(call, FLAG) or keyword(call, FLAG_OF_FUNCTIONS)
        match given:
            case ast.Name() | ast.Attribute() if match := _NAME.match(last_word(given)):
                kinds = _kinds_run(module, call) & {names.BATCH_NORM, names.DROPOUT}
                written = _WRITTEN.get(ast.unparse(call.func))
                if match[1] and written is None:
                    continue  # of a layer in Keras 2, it may well freeze it
                if kinds:
                    yield TrainableFlag(given, kinds, of_graphs=written is not None)
                elif written is not None:
                    yield TrainableFlag(
                        given, frozenset({written}), resolved=False, of_graphs=True
                    )


def _kinds_run(module: Module, call: ast.Call) -> Kinds:
    """What a call runs: a function of TensorFlow 1, or a layer."""
    found = kinds_held(module, call.func)
    for value in values(module, call.func):
        if isinstance(value, Known):
            found |= names.kinds_named(value.name)
            if value.name in names.DROPOUT_FUNCTIONS:
                found |= {names.DROPOUT}
    return found
