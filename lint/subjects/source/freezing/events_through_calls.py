"""The events of functions, in the order of the calls that cause them."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ..reading.values import argument_for, parameters
from ..resolving.local_calls import calls_of
from ..resolving.members import returns_of
from .events import Events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function


def events_through_calls(
    module: Module, found: dict[ast.AST, Events]
) -> Iterable[Events]:
    """Return the events of each scope, with those of the functions that it calls.

    These go by the names that the caller has for what it passes or gets back.
    """
    merged: dict[ast.AST, Events] = {}
    for function, events in found.items():
        if not isinstance(function, ast.FunctionDef) or module.owner_of(function):
            continue
        for call, skipped in calls_of(module, function):
            if not isinstance(call.func, ast.Name) or not module.scopes.holds(call):
                continue  # made by `partial` or a runner, at a time that is not known
            scope = module.scopes.scope_of(call).node
            if scope is function:
                continue
            if scope not in merged:
                merged[scope] = Events()
                _enter(merged[scope], found.get(scope, Events()), {}, ())
            known = dict(_names_of_caller(module, function, call, skipped))
            place = call.lineno, call.col_offset
            local = f"{function.name}()."
            _enter(merged[scope], events, known, place, local)
    return merged.values()


def _names_of_caller(
    module: Module, function: Function, call: ast.Call, skipped: int
) -> Iterator[tuple[str, str]]:
    """The names in a function, each with that of its caller for the same."""
    for name in parameters(function):
        match argument_for(call, function, name, skipped):
            case ast.Name(id=passed):
                yield name, passed
    match module.scopes.parents.get(call), returns_of(module, function):
        case ast.Assign(targets=[target]), [returned]:
            yield from _paired(returned, target)


def _paired(returned: ast.expr, target: ast.expr) -> Iterator[tuple[str, str]]:
    match returned, target:
        case ast.Name(id=inner), ast.Name(id=outer):
            yield inner, outer
        case ast.Tuple(elts=inner_parts), ast.Tuple(elts=outer_parts):
            for inner_part, outer_part in zip(inner_parts, outer_parts, strict=False):
                yield from _paired(inner_part, outer_part)


def _enter(
    into: Events,
    events: Events,
    known: dict[str, str],
    place: tuple[int, ...],
    local: str = "",
) -> None:
    """Add events at a place, by the names known there; others become `local`."""

    def named(text: str) -> str:
        root = next(
            (name for name in known if text == name or text.startswith(f"{name}.")), ""
        )
        return known[root] + text[len(root) :] if root else local + text

    for name, places in events.compiled.items():
        into.compiled[named(name)] += [(*place, *inner) for inner in places]
    for name, places in events.fitted.items():
        into.fitted[named(name)] += [(*place, *inner) for inner in places]
    for change in events.changed:
        network, base = named(change.network), named(change.base)
        there = (*place, *change.place)
        rounds = None if place else change.rounds
        into.changed.append(
            replace(change, network=network, base=base, place=there, rounds=rounds)
        )
