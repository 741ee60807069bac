"""Layers and networks that are called inside a `Lambda` layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.values import Class, Known, Result, Routine, Value
from ..resolving.classes import calls_in, keyword
from ..resolving.resolve import values
from ..resolving.saying import How, says

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ..reading.module import Module

_LAMBDA = Known("keras.layers.Lambda")


def batch_norms_in_lambda(module: Module) -> Iterator[ast.expr]:
    """Yield what a `Lambda` calls that holds BN, each place once."""
    seen = set()
    for call in module.calls_by_name.get("Lambda", ()):
        if _LAMBDA not in values(module, call.func):
            continue
        given = call.args[0] if call.args else keyword(call, "function")
        for where, called in _called(module, given) if given is not None else ():
            shown = called if where is module else given
            if shown not in seen and shown is not None:
                seen.add(shown)
                yield shown


def _called(module: Module, given: ast.expr) -> Iterator[tuple[Module, ast.expr]]:
    for value in values(module, given):
        if _is_network(value) and names.BATCH_NORM in kinds_held(module, given):
            yield module, given  # Lambda(bn)
        elif isinstance(value, Routine):
            for call in calls_in(value.module, value.node):
                if _uses_batch_norm(value.module, call):
                    yield value.module, call


def _uses_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether it calls BN, or a network with BN, without `training=False`."""
    said = says(module, call)
    if said.how is How.CONSTANT and not said.flag:
        return False
    called = values(module, call.func)
    if any(
        isinstance(inner_call, Known) and inner_call.name in names.BATCH_NORM_FUNCTIONS
        for inner_call in called
    ):
        return True
    network = any(_is_network(inner_call) for inner_call in called)
    return network and names.BATCH_NORM in kinds_held(module, call.func)


def _is_network(value: Value) -> bool:
    match value:
        case Result(maker=Known(name)):
            return name.startswith(("keras.", "kerasbn."))
        case Result(maker=Class()):
            return True
    return False
