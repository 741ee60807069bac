"""Networks that one function compiles, another freezes, and a third trains.

Adversarial networks are written this way: the discriminator is compiled where it is
built, frozen where the combined model is, and trained in a loop that is given both.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .contents import kinds_held
from .identity import origins_of
from .members import returns_of
from .memo import remembered
from .nodes import Function, end
from .resolve import calls_of, values
from .values import Routine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_TRAINING = ("fit", "fit_generator", "train_on_batch")
_CALLS_UP = 3  # from where something is done to where that is ordered


def frozen_in_parts(module: Module) -> Iterator[ast.Assign]:
    """Yield each `x.trainable = False` that comes before the first training of x.

    x must have been compiled before, be trained later, and never be unfrozen.
    """
    for change, network in _changes(module, value=False):
        made = _made_at(module, network)
        if not made or names.BATCH_NORM not in kinds_held(module, network, True):
            continue
        trained = [
            call
            for word in _TRAINING
            for call in module.calls_by_name.get(word, ())
            if _is_of(module, call, made)
        ]
        later = [name for name in trained if _precedes(module, change, name)]
        if not later or len(later) < len(trained) or _may_be_freed(module, made):
            continue
        if any(_is_compiled_in(module, keyword) for keyword in made) or any(
            _precedes(module, call, change)
            for call in module.calls_by_name.get("compile", ())
            if _is_of(module, call, made)
        ):
            yield change


def _changes(module: Module, *, value: bool) -> Iterator[tuple[ast.Assign, ast.expr]]:
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=network, attr="trainable")],
                value=ast.Constant(value=bool() as constant),
            ) if constant is value:
                yield node, network


@remembered
def _made_at(module: Module, network: ast.expr) -> frozenset[ast.Call]:
    """The calls that the network may come from."""
    return frozenset(
        origin[0]
        for origin in origins_of(module, network)
        if len(origin) == 1 and isinstance(origin[0], ast.Call)
    )


def _is_of(module: Module, call: ast.Call, made: frozenset[ast.Call]) -> bool:
    """Whether the method of a network is called that comes from there."""
    return isinstance(call.func, ast.Attribute) and not made.isdisjoint(
        _made_at(module, call.func.value)
    )


def _is_compiled_in(module: Module, made: ast.Call) -> bool:
    """Whether the function that a call runs compiles what it returns."""
    for value in values(module, made.func):
        if not isinstance(value, Routine):
            continue
        where = value.module
        returned = {
            one
            for returned in returns_of(where, value.node)
            for one in _made_at(where, returned)
        }
        if any(
            _is_of(where, call, frozenset(returned))
            for call in where.calls_by_name.get("compile", ())
        ):
            return True
    return False


def _may_be_freed(module: Module, made: frozenset[ast.Call]) -> bool:
    """Whether it is unfrozen somewhere, or passed to something that may do so."""
    if any(
        not made.isdisjoint(_made_at(module, network))
        for _, network in _changes(module, value=True)
    ):
        return True
    return any(
        not made.isdisjoint(_made_at(module, argument))
        for call in module.calls
        if any(
            isinstance(node, ast.Constant) and isinstance(node.value, bool)
            for node in (*call.args, *(one.value for one in call.keywords))
        )
        for argument in call.args
    )


def _precedes(module: Module, first: ast.AST, second: ast.AST, depth: int = 0) -> bool:
    """Whether the code that runs both seems to reach the first one first."""
    here = module.scopes.enclosing_function(first)
    there = module.scopes.enclosing_function(second)
    if here is there:
        return end(first) < end(second)  # arguments come before their call
    if depth > _CALLS_UP:
        return False
    owner = module.owner_of(here) if here is not None else None
    constructs = owner is not None and getattr(here, "name", "") == "__init__"
    if constructs and there is not None and module.owner_of(there) is owner:
        return True
    before, after = _callers(module, here), _callers(module, there)
    return (
        any(_precedes(module, call, second, depth + 1) for call in before)
        or any(_precedes(module, first, call, depth + 1) for call in after)
        or any(
            _precedes(module, one, other, depth + 2)
            for one in before
            for other in after
        )
    )


def _callers(module: Module, function: Function | None) -> list[ast.Call]:
    if function is None:
        return []
    return [call for call, _ in calls_of(module, function) if call in module.calls]
