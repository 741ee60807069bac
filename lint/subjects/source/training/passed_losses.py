"""Losses that are passed to the function which runs `backward` on them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.limits import NAMES_VISITED
from ..reading.nodes import Function, last_word
from ..reading.values import argument_for
from ..resolving.classes import calls_in
from ..resolving.local_calls import calls_of
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.saying import local_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Class


def passed_losses(
    module: Module, backward: ast.Call, instance: Class | None = None
) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what is passed as the loss, and where.

    That is in the file of the function, or in methods of the `instance`, a subclass.
    """
    loss = _loss_of(backward)
    found = None if loss is None else module.scopes.lookup(loss)
    match found and found[1]:
        case [Binding(kind=Kind.PARAMETER, place=function)] if isinstance(
            function, Function
        ):
            assert loss is not None
            for where, call, skipped in _calls(module, function, instance):
                given = argument_for(call, function, loss.id, skipped)
                if given is not None:
                    yield where, given


def _loss_of(backward: ast.Call) -> ast.Name | None:
    match backward:
        case (
            ast.Call(func=ast.Attribute(value=ast.Name() as loss), args=[])
            | ast.Call(  # scaler.scale(loss).backward()
                func=ast.Attribute(value=ast.Call(args=[ast.Name() as loss])), args=[]
            )
            | ast.Call(args=[ast.Name() as loss])  # accelerator.backward(loss)
        ) if last_word(backward.func) == "backward":
            return loss
        case ast.Call(args=[ast.Name() as loss, *_]) if (
            last_word(backward.func) == "grad"  # torch.autograd.grad(loss, weights)
        ):
            return loss
    return None


def _calls(
    module: Module, function: Function, instance: Class | None
) -> Iterator[tuple[Module, ast.Call, int]]:
    """The calls of the function, and how many parameters Python fills in."""
    yield from ((module, call, skipped) for call, skipped in calls_of(module, function))
    if instance is None or instance.module is module:
        return
    for method in members(instance.module, instance.node).methods.values():
        for call in calls_in(instance.module, method):
            name = attribute_of_self(call.func, self_name(method))
            if name is not None and name == getattr(function, "name", ""):
                yield instance.module, call, 1


def made_by(module: Module, tensor: ast.expr) -> Iterator[ast.Call]:
    """Yield the calls that a tensor comes from, also through names of its function."""
    pending: list[ast.AST] = [tensor]
    visited: set[ast.AST] = set()
    while pending and len(visited) < NAMES_VISITED:
        node = pending.pop()
        if node in visited:
            continue
        visited.add(node)
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.Name):
            pending.append(local_value(module, node))
        pending += ast.iter_child_nodes(node)
