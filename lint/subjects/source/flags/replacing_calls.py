"""Models whose own `__call__` stands in place of that of Keras.

`fit` looks for `training` in the signature of `call`: without one it runs the model
with no flag, and nothing else sets the phase.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.contents import kinds_of_class
from ..reading.nodes import last_word
from ..reading.values import Class, default_of, parameters
from ..resolving.classes import calls_in, keras_kind
from ..resolving.lineage import method_of
from ..resolving.members import members
from ..resolving.saying import FLAG
from .usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module
    from ..resolving.members import Method

_CALL = "__call__"


def replacing_calls(module: Module) -> Iterator[tuple[Class, Method, Kinds]]:
    """Yield each such `__call__` that infers by default, of a model that is fitted.

    It comes with its class, and with what the model holds.
    """
    for node in module.classes if module.mentions(f"def {_CALL}(") else ():
        cls = Class(module, node)
        own = members(module, node).methods.get(_CALL)
        if (
            own is None
            or keras_kind(cls) != "model"
            or method_of(cls, "call") is not None
            or not _infers(own)
            or any(last_word(call.func) == _CALL for call in calls_in(module, own))
        ):
            continue
        kinds = kinds_of_class(cls)
        if kinds and usage_of(module, cls).fitted:
            yield cls, own, kinds


def _infers(call: Method) -> bool:
    """Whether it has no flag, or one that is off by default."""
    match default_of(call, FLAG):
        case ast.Constant(value=value):
            return not value
    return FLAG not in parameters(call)
