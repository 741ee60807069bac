"""Preprocessing that a network applies after all of its BN, which it cannot reach."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.parts import added_under_its_name, parts_of
from ..reading.values import Class, Known, Result, Routine
from ..resolving.members import returns_of
from ..resolving.resolve import values
from ..resolving.symbolic import followed_back

if TYPE_CHECKING:
    from ..reading.module import Module

_MADE = ("keras.layers.", "keras.Sequential", "keras.Model", "keras.applications.")
_Part = tuple["Module", ast.expr]


def comes_last(module: Module, network: ast.expr, layer: _Part) -> bool:
    """Whether a layer, made by that call, surely comes after all BN of a network."""
    if names.BATCH_NORM not in kinds_held(module, network):
        return False  # what comes after may hold it
    if names.BATCH_NORM in kinds_held(*layer):
        return False  # a pipeline of layers
    parts = list(parts_of(module, network))
    following = _following_in_list(module, network, layer)
    if following is None:
        following = _following_in_graph(parts, layer)
    return following is not None and not any(
        _applies_batch_norm(*one) for one in following
    )


def _following_in_list(
    module: Module, network: ast.expr, layer: _Part
) -> list[_Part] | None:
    """The layers after it in `Sequential([...])`, those that are added among them."""
    where, made = layer
    for value in values(module, network):
        if isinstance(value, Result) and value.module is where:
            given = value.call.args[:1]
            listed = given[0].elts if given and isinstance(given[0], ast.List) else []
            in_order = [*listed, *added_under_its_name(where, value.call)]
            for place, one in enumerate(in_order, 1):
                if _is_made_by(where, one, made):
                    return [(where, other) for other in in_order[place:]]
    return None


def _following_in_graph(parts: list[_Part], layer: _Part) -> list[_Part] | None:
    """What a Functional graph does besides what leads to the layer; None if unknown."""
    where, made = layer
    applying = [
        call
        for module, call in parts
        if module is where
        and isinstance(call, ast.Call)
        and _is_made_by(where, call.func, made)
    ]
    if len(applying) != 1:
        return None
    call = applying[0]
    before = followed_back([(where, one) for one in (*call.args, call.func)])
    known = {call, *(part for _, part in before)}
    return [
        (module, part)
        for module, part in parts
        if part not in known and isinstance(part, ast.Call)
    ]


def _is_made_by(module: Module, layer: ast.expr, made: ast.expr) -> bool:
    """Whether a layer is the one that a call makes, itself or by a name."""
    return layer is made or any(
        isinstance(value, Result) and value.call is made
        for value in values(module, layer)
    )


def _applies_batch_norm(module: Module, part: ast.expr) -> bool:
    """Whether a layer holds BN, or the layer or function that a call applies."""
    held = [(module, part)]
    if isinstance(part, ast.Call) and not _makes_layer(module, part):
        held = [(module, part.func)]
        for value in values(module, part.func):
            if isinstance(value, Routine):
                returned = returns_of(value.module, value.node)
                held += [(value.module, one) for one in returned]
    return any(names.BATCH_NORM in kinds_held(*one) for one in held)


def _makes_layer(module: Module, call: ast.Call) -> bool:
    return any(
        isinstance(value, Class)
        or (isinstance(value, Known) and value.name.startswith(_MADE))
        for value in values(module, call.func)
    )
