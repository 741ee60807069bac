"""Networks that a graph is built around: `gan = Model(z, critic(generator(z)))`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.nodes import Function
from ..resolving.callers import all_calls
from ..resolving.classes import keyword
from ..resolving.saying import FLAG
from ..resolving.symbolic import network_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def inner_networks(
    module: Module, network: ast.expr
) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what the network's graph calls or lists, and gives no phase of its own."""
    for where, part in network_parts(module, network):
        match part:
            case ast.Call(func=ast.Name() | ast.Attribute() as function):
                named = [function] if keyword(part, FLAG) is None else []
            case ast.List(elts=named) | ast.Tuple(elts=named):
                pass
            case _:
                continue
        for one in named:
            if isinstance(one, ast.Name | ast.Attribute) and not _differs(where, one):
                yield where, one


def _differs(module: Module, network: ast.expr) -> bool:
    """Whether it is a parameter of a function with several callers."""
    found = module.scopes.lookup(network) if isinstance(network, ast.Name) else None
    return any(
        binding.kind is Kind.PARAMETER
        and isinstance(binding.place, Function)
        and len(all_calls(module, binding.place)) > 1
        for binding in (found[1] if found else ())
    )
