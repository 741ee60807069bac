"""Layers that run in helpers of a `call`, which have no parameter for the phase.

These are methods of the class or of its bases, and functions that are given a layer.
"""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.values import (
    Class,
    Parameter,
    Result,
    Routine,
    Self,
    argument_for,
    parameters,
)
from ..resolving.attributes import attribute_of
from ..resolving.classes import calls_in
from ..resolving.members import attribute_of_self, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from .phase_layers import depends_on_phase, reads_flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value


def lost_in_helpers(cls: Class, method: Routine) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield the calls of such helpers in a method, of functions and of other files.

    Each comes with the helper's name and with the layer, as written.
    """
    for call in calls_in(method.module, method.node):
        if not says(method.module, call).is_nothing:
            continue
        for value in values(method.module, call.func):
            if isinstance(value, Routine) and has_no_phase(value.node):
                for layer in islice(_layers_in(cls, method.module, call, value), 1):
                    yield call, getattr(value.node, "name", "it"), layer
                    break


def has_no_phase(function: Function) -> bool:
    """Whether it takes no flag, neither by name nor among others."""
    return (
        not isinstance(function, ast.Lambda)
        and function.args.kwarg is None
        and FLAG not in parameters(function)
    )


def _layers_in(
    cls: Class, module: Module, call: ast.Call, helper: Routine
) -> Iterator[str]:
    """The layers that a call of a helper runs, and that depend on the phase."""
    me = self_name(helper.node)
    for inner in calls_in(helper.module, helper.node):
        if not inner.args or not says(helper.module, inner).is_nothing:
            continue
        if helper.owner is None and isinstance(inner.func, ast.Name):
            layer = _passed_for(helper, inner.func, call)
            if layer is not None and depends_on_phase(module, layer):
                yield ast.unparse(layer)
        elif helper.owner is not None and helper.module is not module:
            name = attribute_of_self(inner.func, me)
            found = () if name is None else attribute_of(Self(cls), name)
            if any(_depends(layer) for layer in found):
                yield ast.unparse(inner.func)


def _passed_for(helper: Routine, name: ast.Name, call: ast.Call) -> ast.expr | None:
    """The attribute that is passed for a parameter that the helper calls."""
    if not any(
        isinstance(value, Parameter) and value.function is helper.node
        for value in values(helper.module, name)
    ):
        return None
    passed = argument_for(call, helper.node, name.id, 0)
    return passed if isinstance(passed, ast.Attribute) else None


def _depends(layer: Value) -> bool:
    """Whether a layer of the instance is known to depend on the phase."""
    if not isinstance(layer, Result):
        return False
    kinds = kinds_held(layer.module, layer.call) - {names.AUGMENTATION}
    return bool(kinds) or (isinstance(layer.maker, Class) and reads_flag(layer.maker))
