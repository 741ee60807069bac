"""Layers that a call without a phase leaves in inference mode.

A class whose `call` has the default `training=True` trains when nothing around it says
otherwise, and so does all that it passes that on to.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered, remembered_of_class
from ..reading.values import Class, default_of
from ..resolving.lineage import method_of
from ..resolving.saying import FLAG, says
from .layer_search import LayerSearch
from .search import NOTHING

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.values import Routine
    from .search import Kinds


def trains_by_default(cls: Class) -> bool:
    """Whether its `call` trains by default."""
    return _default(cls) is True


@remembered
def kinds_in_inference(module: Module, expression: ast.expr) -> Kinds:
    """Return the kinds held by a network that is called without a phase.

    What trains by default is left out, unless its caller passes a phase that is none.
    """
    return _DefaultSearch().expression(module, expression)


@remembered_of_class
def kinds_of_instance(cls: Class) -> Kinds:
    """Return the same of an instance of the class."""
    return _DefaultSearch().of_class(cls)


class _DefaultSearch(LayerSearch):
    """A search, in what is trained, that leaves out what trains by default."""

    while_trained = True
    _settled = False  # whether what calls it says the phase

    def of_class(self, cls: Class) -> Kinds:
        default = _default(cls)
        if default is True and not self._settled:
            return NOTHING
        before = self._settled
        self._settled = before or default is False
        found = super().of_class(cls)
        self._settled = before
        return found

    def layer_call(self, routine: Routine, call: ast.Call) -> Kinds:
        before = self._settled
        said = says(routine.module, call)
        # The `**kwargs` of a call without a phase have none to pass on.
        self._settled = before or not (said.is_nothing or said.packed)
        found = super().layer_call(routine, call)
        self._settled = before
        return found


def _default(cls: Class) -> object:
    """The constant default of `training` in its `call`; None if there is no other."""
    call = method_of(cls, "call")
    default = call and default_of(call.node, FLAG)
    return default.value if isinstance(default, ast.Constant) else None
