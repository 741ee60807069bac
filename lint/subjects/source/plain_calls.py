"""Plain calls `model(x)` of networks in which preprocessing comes before BN."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from ..preprocessing import MAY_LEAK, is_random, leaks_training
from .classes import calls_in, keras_kind, reached
from .contents import holds
from .leaks import leaves_it_open
from .resolve import method_of, values
from .saying import says
from .scopes import end, last_word
from .symbolic import builds_graph, network_parts
from .values import Class, Known, Result, unpacks
from .worlds import world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_LAYERS = "keras.layers."


def leaking_calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Every such call of a network with BN, and the layer that puts it in training."""
    for call in module.calls if _may_leak(module) else ():
        if len(call.args) != 1 or call.keywords or unpacks(call):
            continue
        name = last_word(call.func)
        if not name or name[0].isupper():
            continue  # A construction, or no name at all.
        layer = _leaking_layer(module, call.func)
        if layer is not None and _is_plain(module, call):
            yield call, layer


def leaks_in_call(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Every call of such a layer in a class's own `call`, where BN comes after it.

    Random layers are left out: `call` of a network that has these is for training.
    """
    seen = set()
    for node in module.classes if _may_leak(module) else ():
        of = Class(module, node)
        if keras_kind(of) is None:
            continue
        for routine in reached(of, "call"):
            if routine.module is not module or routine.node in seen:
                continue
            seen.add(routine.node)
            calls = list(calls_in(module, routine.node))
            for call in calls:
                layer = _called_layer(module, call)
                if layer is None or is_random(layer):
                    continue
                if any(_comes_after(module, call, other) for other in calls):
                    yield call, layer


def _may_leak(module: Module) -> bool:
    return module.matches(MAY_LEAK) and module.mentions("keras")


def _comes_after(module: Module, call: ast.Call, other: ast.Call) -> bool:
    """Whether another call, of BN or what holds it, takes over what this one left."""
    return (
        end(call) < end(other)
        and module.scopes.precedes(call, other)
        and says(module, other).is_nothing
        and leaves_it_open(module, other)
    )


def _leaking_layer(module: Module, network: ast.expr) -> str | None:
    """The preprocessing layer of a network that holds BN as well."""
    kinds = [each for each in values(module, network) if isinstance(each, Result)]
    if not kinds or names.BATCH_NORM not in holds(module, network):
        return None
    for value in kinds:
        found = (
            _in_class(module, value.of)
            if isinstance(value.of, Class)
            else _in_graph(module, network)
        )
        if found is not None:
            return found
    return None


def _in_graph(module: Module, network: ast.expr) -> str | None:
    for where, part in network_parts(module, network):
        if isinstance(part, ast.Call):
            for value in values(where, part.func):
                name = _leaking_name(module, value)
                if name is not None:
                    return name
    return None


def _in_class(module: Module, of: Class) -> str | None:
    if keras_kind(of) is None or method_of(of, "__call__") is not None:
        return None
    for routine in reached(of, "call"):
        for call in calls_in(routine.module, routine.node):
            name = _called_layer(routine.module, call)
            if name is not None:
                return name
    return None


def _called_layer(module: Module, call: ast.Call) -> str | None:
    """The preprocessing layer that is called and not told the phase."""
    if not says(module, call).is_nothing:
        return None
    for value in values(module, call.func):
        if isinstance(value, Result):
            name = _leaking_name(module, value.of)
            if name is not None:
                return name
    return None


def _leaking_name(module: Module, value: object) -> str | None:
    if not (isinstance(value, Known) and value.name.startswith(_LAYERS)):
        return None
    name = value.name.removeprefix(_LAYERS)
    return name if leaks_training(name, world(module)) else None


def _is_plain(module: Module, call: ast.Call) -> bool:
    """Whether it computes something, with no phase around it."""
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if owner is not None and keras_kind(Class(module, owner)) is not None:
        return False
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.Expr):
            return False  # It only builds the network.
        if isinstance(outer, ast.With) and any(
            isinstance(each.context_expr, ast.Call)
            and last_word(each.context_expr.func) == "GradientTape"
            for each in outer.items
        ):
            return False  # BN102 speaks of these.
    return not builds_graph(module, call, is_layer=False)
