"""Networks with BN that read several inputs of one graph."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .bindings import Kind
from .contents import kinds_held
from .resolve import values
from .trained import places
from .values import Known, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_INPUT = Known("keras.layers.Input")


def shared_by_inputs(module: Module) -> Iterator[ast.Call]:
    """Yield each second call of a network with BN on another input of the graph."""
    if not module.mentions("Input"):
        return
    seen: dict[object, ast.expr] = {}
    for call in module.calls:
        read = _input_of(module, call)
        if read is None or call.keywords:
            continue
        graph = module.scopes.enclosing_function(read)  # another builds another
        for place in places(module, call.func):
            first = seen.setdefault((graph, place), read)
            if first is read:
                continue
            if names.BATCH_NORM in kinds_held(module, call.func):
                yield call
            break


def _input_of(module: Module, call: ast.Call) -> ast.expr | None:
    """The construction of the `Input` that a network is called on."""
    match call.args:
        case [ast.Name() as name]:
            if not any(
                isinstance(value, Result) for value in values(module, call.func)
            ):
                return None
            found = module.scopes.lookup(name)
            match found[1] if found else ():
                case [binding] if binding.kind is Kind.VALUE and isinstance(
                    binding.node, ast.Call
                ):
                    made = values(module, binding.node.func)
                    return binding.node if _INPUT in made else None
    return None
