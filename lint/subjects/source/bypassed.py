"""Calls of `layer.call(x)`, which leave out what `layer(x)` does."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .classes import keras_kind, reached
from .contents import class_holds, holds
from .resolve import values
from .saying import says
from .scopes import last_word
from .values import Class, Known, Result, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_STEP = "train_step"


def bypassing_calls(module: Module) -> Iterator[ast.Call]:
    """Every `x.call(...)` without a flag, where training may come by and x holds BN."""
    if not module.mentions(".call("):
        return
    for call in module.calls_by_name.get("call", ()):
        if not isinstance(call.func, ast.Attribute) or _has_flag(module, call):
            continue
        network = call.func.value
        for value in values(module, network):
            if _holds_batch_norm(module, network, value) and _may_train(
                module, call, is_self=isinstance(value, Self)
            ):
                yield call
                break


def _has_flag(module: Module, call: ast.Call) -> bool:
    return len(call.args) > 1 or not says(module, call).is_nothing


def _holds_batch_norm(module: Module, network: ast.expr, value: object) -> bool:
    match value:
        case Result(of=Known(name)) if name.startswith(("keras.", "kerasbn.")):
            return names.BATCH_NORM in holds(module, network)
        case Result(of=Class() as of) if keras_kind(of) is not None:
            return names.BATCH_NORM in holds(module, network)
        case Self(of) if isinstance(network, ast.Name):  # super() is a call
            return names.BATCH_NORM in class_holds(of)
    return False


def _may_train(module: Module, call: ast.Call, is_self: bool) -> bool:
    """Whether it stands in a training step, or for a part of it, in a `call`."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.With) and any(
            isinstance(each.context_expr, ast.Call)
            and last_word(each.context_expr.func) == "GradientTape"
            for each in outer.items
        ):
            return True
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if function is None or owner is None:
        return False
    of = Class(module, owner)
    if keras_kind(of) is None:
        return False
    if getattr(function, "name", "") == _STEP:
        return True
    return not is_self and any(each.node is function for each in reached(of, "call"))
