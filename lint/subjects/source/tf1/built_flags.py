"""The flags that layers of TensorFlow 1 are built with."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading.memo import found_once
from ..reading.values import Class, Known
from ..resolving.classes import keyword, reached
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

FLAGS = ("training", "is_training")
_LAYERS = names.BATCH_NORM_FUNCTIONS | names.DROPOUT_FUNCTIONS


@found_once
def flags_of_layers(module: Module) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield the calls of BN and dropout as functions, and the flag of each."""
    for call in module.calls:
        for name in FLAGS:
            flag = keyword(call, name)
            if flag is not None and any(
                isinstance(value, Known) and value.name in _LAYERS
                for value in values(module, call.func)
            ):
                yield call, flag


def fixed_flags(module: Module) -> Iterator[ast.expr]:
    """Yield flags of layers that are attributes, set to one constant, then the other.

    The graph keeps the one that they had when it was built, unless what sets them also
    builds it.
    """
    for call, flag in flags_of_layers(module):
        owner = module.scopes.enclosing_class(call)
        function = module.scopes.enclosing_function(call)
        if owner is None or function is None:
            continue
        name = attribute_of_self(flag, self_name(function))
        given = [] if name is None else members(module, owner).given(name)
        constants = [each.value for each in given if isinstance(each, ast.Constant)]
        if set(constants) != {True, False} or len(constants) < len(given):
            continue
        setting = {module.scopes.enclosing_function(each) for each in given}
        built = {
            routine.node
            for setter in setting
            if getattr(setter, "name", "__init__") != "__init__"
            for routine in reached(Class(module, owner), getattr(setter, "name", ""))
        }
        if function not in setting | built:
            yield flag
