"""Calls of `layer.call(x)`, which leave out what `layer(x)` does."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ....semantics import CALL_NEEDS_TRAINING
from ... import names
from ..networks.contents import kinds_held, kinds_of_class
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.values import Class, Known, Result, Self, parameters
from ..resolving.classes import keras_kind, reached
from ..resolving.lineage import lineage, method_of
from ..resolving.members import members
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from ..statistics.batch_norm_calls import calls_base
from ..training.tapes import stands_in_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..resolving.members import Method

_STEP = "train_step"


def bypassing_calls(module: Module) -> Iterator[ast.Call]:
    """Yield each `x.call(...)` without a flag, where x holds BN and may train."""
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


def flags_ignored(module: Module) -> Iterator[ast.Call]:
    """Yield each `x.call(..., training=True)` where x holds BN and ignores the flag."""
    if not module.mentions(".call(") or module.mentions("learning_phase"):
        return
    for call in module.calls_by_name.get("call", ()):
        if not (
            isinstance(call.func, ast.Attribute)
            and says(module, call).is_constant(True)
            and _stands_in_step(module, call)
        ):
            continue
        network = call.func.value
        found = values(module, network)
        if found and all(
            _holds_batch_norm(module, network, candidate) and _ignores_flag(candidate)
            for candidate in found
        ):
            yield call


def wrapped_calls(module: Module) -> Iterator[ast.Call]:
    """Yield each `self.layer.call(x)` without a flag in the `call` of a wrapper."""
    if not module.mentions(".call("):
        return
    for call in module.calls_by_name.get("call", ()):
        function = module.scopes.enclosing_function(call)
        owner = None if function is None else module.owner_of(function)
        if (
            owner is not None
            and getattr(function, "name", "") == "call"
            and isinstance(call.func, ast.Attribute)
            and not _has_flag(module, call)
            and keras_kind(Class(module, owner)) == "layer"
            and _is_wrapped(module, call.func.value, Class(module, owner))
        ):
            yield call


def _is_wrapped(module: Module, layer: ast.expr, cls: Class) -> bool:
    """Whether a layer is what a wrapper of Keras wraps, which may be any."""
    is_wrapper = Known("keras.layers.Wrapper") in lineage(cls)
    return (
        is_wrapper and ast.unparse(layer) == "self.layer" and not values(module, layer)
    )


def base_calls_without_flag(module: Module) -> Iterator[ast.Call]:
    """Yield each `super().call(x)` of BN that the phase never reaches.

    Keras 2 passes it to a `call` with `**options` as well, which must hand them on.
    """
    for call in module.calls_by_name.get("call", ()):
        function = module.scopes.enclosing_function(call)
        owner = None if function is None else module.owner_of(function)
        if (
            owner is not None
            and getattr(function, "name", "") == "call"
            and calls_base(module, call)
            and _says_nothing(module, call)
            and (
                keras_for(module).has(CALL_NEEDS_TRAINING)
                or _drops_options(module, function, call)
            )
            and not any(
                hints.is_flag_like(ast.unparse(argument)) for argument in call.args
            )
            and not _uses_flag(function)
            and not _keeps_still(owner)
        ):
            yield call


def calls_without_parameter(module: Module) -> Iterator[Method]:
    """Yield each `call` of a BN layer of the project that cannot receive the phase."""
    if not module.mentions("def call"):
        return
    for node in module.classes:
        call = members(module, node).methods.get("call")
        if (
            call is not None
            and call.args.kwarg is None
            and FLAG not in parameters(call)
            and any(
                isinstance(base, Known) and base.name in names.BATCH_NORM_LAYERS
                for base in lineage(Class(module, node))
            )
            and not any(map(hints.is_flag_like, parameters(call)))
            and not hints.keeps_still(node.name)
            and "trainable" not in _settings(node)
        ):
            yield call


def _says_nothing(module: Module, call: ast.Call) -> bool:
    """Whether it gets no flag: nor by `**options`, into which none is put.

    Keras 3 passes the phase only to a `call` that names it.
    """
    said = says(module, call)
    return said.is_nothing or (
        said.packed
        and said.function is not None
        and FLAG not in parameters(said.function)
        and not _sets_flag(said.function)
    )


def _drops_options(module: Module, function: Function | None, call: ast.Call) -> bool:
    """Whether a method takes `**options`, and none of them gets to that call."""
    takes = function is not None and function.args.kwarg is not None
    return takes and says(module, call).is_nothing


def _sets_flag(function: Function) -> bool:
    """Whether the options get a flag of the function's own."""
    return any(
        isinstance(node, ast.Constant) and node.value == FLAG
        for node in ast.walk(function)
    )


def _ignores_flag(value: object) -> bool:
    """Whether the `call` of the project that runs takes a flag and never reads it."""
    match value:
        case Result(maker=Class() as cls) | Self(cls):
            routine = method_of(cls, "call")
            return (
                routine is not None
                and FLAG in parameters(routine.node)
                and not _uses_flag(routine.node)
            )
    return False


def _uses_flag(function: Function | None) -> bool:
    """Whether its body mentions the phase, or `locals`, which hold it."""
    if function is None or isinstance(function, ast.Lambda):
        return True
    words = {
        getattr(node, "id", "") or getattr(node, "attr", "")
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    return "locals" in words or any(map(hints.is_flag_like, words))


def _keeps_still(owner: ast.ClassDef) -> bool:
    """Whether the class is named as frozen, freezes itself, or has its own updates."""
    mentioned = {"trainable", "moving_mean", "moving_variance"} & _settings(owner)
    return bool(mentioned) or hints.keeps_still(owner.name)


def _settings(owner: ast.ClassDef) -> set[str]:
    """The attributes and keywords that a class names."""
    return {
        getattr(node, "attr", None) or getattr(node, "arg", None) or ""
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute | ast.keyword)
    }


def _stands_in_step(module: Module, call: ast.Call) -> bool:
    """Whether it trains, and no `call` of Keras around it settles the phase."""
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if owner is not None and keras_kind(Class(module, owner)) is not None:
        return getattr(function, "name", "") == _STEP
    return stands_in_tape(module, call)


def _has_flag(module: Module, call: ast.Call) -> bool:
    return len(call.args) > 1 or not says(module, call).is_nothing


def _holds_batch_norm(module: Module, network: ast.expr, value: object) -> bool:
    match value:
        case Result(maker=Known(name)) if name.startswith(("keras.", "kerasbn.")):
            return names.BATCH_NORM in kinds_held(module, network)
        case Result(maker=Class() as cls) if keras_kind(cls) is not None:
            return names.BATCH_NORM in kinds_held(module, network)
        case Self(cls) if isinstance(network, ast.Name):  # super() is a call
            return names.BATCH_NORM in kinds_of_class(cls)
    return False


def _may_train(module: Module, call: ast.Call, is_self: bool) -> bool:
    """Whether it is in a training step, or for a part of it, in a `call`."""
    if stands_in_tape(module, call):
        return True
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if function is None or owner is None:
        return False
    cls = Class(module, owner)
    if keras_kind(cls) is None:
        return False
    if getattr(function, "name", "") == _STEP:
        return True
    return not is_self and any(
        reached_call.node is function for reached_call in reached(cls, "call")
    )
