"""Functions by which a network is run with the variables that it is given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.limits import FLAGS_HANDED
from .results import wrapped

if TYPE_CHECKING:
    from ..reading.module import Module

_METHOD = "stateless_call"


def stateless_network(module: Module, function: ast.expr) -> ast.expr | None:
    """`net` of `net.stateless_call`, also by a name or as `jax.vmap` wraps it."""
    if not module.mentions(_METHOD):
        return None
    for _ in range(FLAGS_HANDED):
        match function:
            case ast.Attribute(value=network, attr=name):
                return network if name == _METHOD else None
            case ast.Call():
                inner = wrapped(module, function)
            case ast.Name():
                inner = _only_value(module, function)
            case _:
                return None
        if inner is None:
            return None
        function = inner
    return None


def _only_value(module: Module, name: ast.Name) -> ast.expr | None:
    match module.scopes.lookup(name):
        case _, [Binding(kind=Kind.VALUE, node=ast.expr() as value)]:
            return value
    return None
