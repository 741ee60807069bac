"""Layers that depend on the phase, as far as their class or its use shows."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.sublayers import may_depend_on_phase
from ..reading.values import Class, Known, Result
from ..resolving.classes import takes_training
from ..resolving.heirs import called_layers
from ..resolving.lineage import method_of
from ..resolving.saying import FLAG
from .leaks import stands_for_layer

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value

RANDOM = frozenset({names.DROPOUT, names.NOISE})


def depends_on_phase(module: Module, layer: ast.expr) -> bool:
    """Whether what is called holds BN or dropout, or reads the flag itself."""
    if may_depend_on_phase(module, layer):
        return True
    if not stands_for_layer(module, layer) or all(
        isinstance(value, Result) and _is_plain(value)
        for value in called_layers(module, layer)
    ):
        return False
    return bool(kinds_held(module, layer)) or reads_flag_of(module, layer)


def only_drops(module: Module, layer: ast.expr) -> bool:
    """Whether it is dropout, and not one of several layers, at whatever rate."""
    found = called_layers(module, layer)
    return bool(found) and all(map(drops_at_some_rate, found))


def drops_at_some_rate(layer: Value) -> bool:
    """Whether it is dropout or noise, though all that use it may ask for none."""
    match layer:
        case Result(maker=Known(name), call=made):
            return bool(names.kinds_named(name) & RANDOM) and not (
                made.args and getattr(made.args[0], "value", None) == 0
            )
    return False


def _is_plain(layer: Result) -> bool:
    """Whether it is surely a Keras layer that needs no phase, as most are."""
    return (
        isinstance(layer.maker, Known)
        and layer.maker.name.startswith("keras.layers.")
        and not names.kinds_named(layer.maker.name)
        and not any(isinstance(argument, ast.Call) for argument in layer.call.args)
        and all(
            argument.arg and "drop" not in argument.arg
            for argument in layer.call.keywords
        )
    )


def reads_flag_of(module: Module, layer: ast.expr) -> bool:
    """Whether it may be a layer of the project that does something with the flag."""
    return any(
        isinstance(value, Result)
        and isinstance(value.maker, Class)
        and reads_flag(value.maker)
        for value in called_layers(module, layer)
    )


def reads_flag(cls: Class) -> bool:
    """Whether its `call` takes the flag and does something with it."""
    routine = method_of(cls, "call")
    return (
        routine is not None
        and takes_training(routine.node)
        and mentions_flag(routine.node)
    )


def mentions_flag(function: Function) -> bool:
    """Whether a function reads its parameter, or all at once by `locals`."""
    return any(
        isinstance(node, ast.Name) and node.id in (FLAG, "locals")
        for node in ast.walk(function)
    )
