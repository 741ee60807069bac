"""Plain calls `model(x)` of networks that begin with preprocessing."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from ..preprocessing import MAY_LEAK, leaks_training
from .classes import calls_in, keras_kind, keyword, reached
from .contents import holds
from .resolve import method_of, values
from .scopes import last_word
from .symbolic import builds_graph, network_parts
from .values import Class, Known, Result, unpacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_LAYERS = "keras.layers."


def leaking_calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Every such call of a network with BN, and the layer that puts it in training."""
    if not (MAY_LEAK.search(module.text) and module.mentions("keras")):
        return
    for call in module.calls:
        if len(call.args) != 1 or call.keywords or unpacks(call):
            continue
        name = last_word(call.func)
        if not name or name[0].isupper():
            continue  # A construction, or no name at all.
        layer = _leaking_layer(module, call.func)
        if layer is not None and _is_plain(module, call):
            yield call, layer


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
            if keyword(call, "training") is not None:
                continue
            for value in values(routine.module, call.func):
                if isinstance(value, Result):
                    name = _leaking_name(module, value.of)
                    if name is not None:
                        return name
    return None


def _leaking_name(module: Module, value: object) -> str | None:
    if not (isinstance(value, Known) and value.name.startswith(_LAYERS)):
        return None
    name = value.name.removeprefix(_LAYERS)
    return name if leaks_training(name, module.world) else None


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
