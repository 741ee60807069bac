"""Pairs of networks of which one is to follow the other, and who passes them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.values import argument_for
from ..resolving.callers import all_calls, handed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


@dataclass(frozen=True)
class NetworkPair:
    """Two networks at a place: the one that is assigned to, and the other."""

    module: Module
    target: ast.expr
    other: ast.expr
    place: ast.Call


def pairs_of_callers(pair: NetworkPair) -> Iterator[NetworkPair]:
    """The networks that each caller passes, or makes an object with."""
    module = pair.module
    function = module.scopes.enclosing_function(pair.place)
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    sides = [pair.target, pair.other]
    if not all(isinstance(side, ast.Name) for side in sides):
        yield from _given_elsewhere(pair)
        return
    for where, call, skipped in all_calls(module, function):
        passed = [
            argument_for(call, function, side.id, skipped)
            for side in sides
            if isinstance(side, ast.Name)
        ]
        match passed:
            case [ast.expr() as target, ast.expr() as other]:
                yield NetworkPair(where, target, other, call)


def _given_elsewhere(pair: NetworkPair) -> Iterator[NetworkPair]:
    """The networks that a call in another file makes an object with, as `self.net`."""
    given = [
        [
            (where, passed, _call_around(where, passed))
            for where, passed in handed_in(pair.module, side)
        ]
        for side in (pair.target, pair.other)
    ]
    for where, target, call in given[0]:
        for _, other, same in given[1]:
            if call is not None and same is call:
                yield NetworkPair(where, target, other, call)


def _call_around(module: Module, argument: ast.expr) -> ast.Call | None:
    outer = module.scopes.ancestors(argument)
    return next((node for node in outer if isinstance(node, ast.Call)), None)
