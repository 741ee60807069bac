"""Calls with `training=True` of networks that no step there trains."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import Function, last_word
from ..reading.values import Class, Known, Result
from ..resolving.callers import handed_in
from ..resolving.classes import calls_in, keras_kind, keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from ..resolving.symbolic import builds_graph
from .evaluation_steps import trained_in_evaluation
from .tapes import stands_in_tape
from .trained import (
    GRADIENTS,
    is_finished,
    is_trained,
    owners_in,
    trained_networks,
    was_trained,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_OPTIMIZING = (*GRADIENTS, "backward", "step")


def teachers_in_training(module: Module) -> Iterator[tuple[ast.expr, bool]]:
    """The flag of each call in a training step that trains other networks alone.

    Each comes with whether the network has surely been trained before. A network that
    is loaded and passed in may hold BN.
    """
    for call, flag, function in _calls(module, even_outside=True, even_loaded=True):
        step = function or _outermost_loop(module, call)
        if _trains(module, step) and not is_trained(module, call.func):
            yield flag, _is_surely_trained(module, call.func)


def _trains(module: Module, step: Function | ast.For | ast.While | None) -> bool:
    """Whether gradients are taken for some network, on TensorFlow or PyTorch."""
    for call in calls_in(module, step) if step is not None else ():
        word = last_word(call.func)
        if word == "backward" and any(trained_networks(module)):
            return True
        if word in GRADIENTS and any(owners_in(module, call)):
            return True
    return False


def _outermost_loop(module: Module, node: ast.AST) -> ast.For | ast.While | None:
    """The outermost loop around what is in no function."""
    loops = [
        outer
        for outer in module.scopes.ancestors(node)
        if isinstance(outer, ast.For | ast.While)
    ]
    return loops[-1] if loops else None


def actions_in_training(module: Module) -> Iterator[ast.expr]:
    """The flag of each call that chooses an action and trains nothing."""
    for call, flag, function in _calls(module):
        name = _name(module, function)
        trains = _optimizes(module, function) or stands_in_tape(module, call)
        if hints.acts(name) and not trains and _is_given_back(module, call):
            yield flag


def _name(module: Module, function: Function | None) -> str:
    """The name of a function; of `__call__`, that of its class."""
    name = getattr(function, "name", "")
    owner = None if function is None else module.owner_of(function)
    return owner.name if owner is not None and name == "__call__" else name


def finished_in_training(module: Module) -> Iterator[ast.expr]:
    """The flag of each call of a loaded or pretrained network that nothing trains."""
    reported = {flag for flag, _ in teachers_in_training(module)}
    reported |= {*actions_in_training(module)}
    reported |= {found.flag for found in trained_in_evaluation(module)}
    for call, flag, _ in _calls(module, even_outside=True):
        if (
            flag not in reported
            and _is_given_back(module, call)
            and not builds_graph(module, call, is_layer=False)
            and is_finished(module, call.func)
            and not is_trained(module, call.func)
        ):
            yield flag


def _is_surely_trained(module: Module, network: ast.expr) -> bool:
    """Whether it is fitted or loaded here; where it is passed in, by a telling name.

    What another file passes in may be trained by a third.
    """
    return was_trained(module, network) or (
        hints.keeps_still(ast.unparse(network))
        and any(
            was_trained(*given) and _holds_batch_norm(*given)
            for given in handed_in(module, network)
        )
    )


def _calls(
    module: Module, even_outside: bool = False, even_loaded: bool = False
) -> Iterator[tuple[ast.Call, ast.expr, Function | None]]:
    """The calls of networks with BN with a constant True, outside of any `call`.

    Those outside of any function are left out, unless they are asked for.
    """
    if not module.mentions("training=True"):
        return
    for call in module.calls:
        flag = keyword(call, FLAG)
        if flag is None or not says(module, call).is_constant(True):
            continue
        function = module.scopes.enclosing_function(call)
        if function is None and not even_outside:
            continue
        if _is_meant(module, call, function):
            continue
        if last_word(call.func) in ("stateless_call", "call", "super"):
            continue
        for known in ((module, call.func), *handed_in(module, call.func)):
            if _holds_batch_norm(*known) or (even_loaded and _is_loaded(*known)):
                yield call, flag, function
                break


def _holds_batch_norm(module: Module, network: ast.expr) -> bool:
    return names.BATCH_NORM in kinds_held(module, network)


def _is_loaded(module: Module, network: ast.expr) -> bool:
    """Whether it comes from a file, by whatever name it then has."""
    return any(
        isinstance(value, Result) and value.maker == Known("keras.models.load_model")
        for value in values(module, network)
    )


def _is_meant(module: Module, call: ast.Call, function: Function | None) -> bool:
    """Whether it is a `call` of Keras, a test, or samples from the network."""
    owner = None if function is None else module.owner_of(function)
    name = getattr(function, "name", "")
    if owner is not None and name in ("call", "__init__", "build", "__call__"):
        return keras_kind(Class(module, owner)) is not None
    around = module.scopes.names_around(call)
    return any(hints.is_meant_random(other) or hints.is_test(other) for other in around)


def _optimizes(module: Module, function: Function | None) -> bool:
    return function is not None and any(
        last_word(call.func) in _OPTIMIZING for call in calls_in(module, function)
    )


def _is_given_back(module: Module, call: ast.Call) -> bool:
    """Whether the network's output is used."""
    return not isinstance(module.scopes.parents.get(call), ast.Expr)
