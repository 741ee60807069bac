"""Functions that give the same network at each call: what they return is kept."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.nodes import Function, last_word
from ..reading.values import Routine, is_self
from ..resolving.members import returns_of
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_CACHES = {"cache", "lru_cache", "memoize"}


def kept_results(
    module: Module, call: ast.Call
) -> Iterator[tuple[Module, ast.AST, tuple[str, ...]]]:
    """Yield what a call returns that was there before it, and by which call.

    That is the function itself if it is decorated by `functools.cache`; else an
    expression of it, such as a global name or an attribute of its instance. The call
    is known by its text, or by nothing if there is only one way to write it.
    """
    for value in values(module, call.func):
        if not isinstance(value, Routine):
            continue
        by = () if _is_plain(call) else (ast.unparse(call),)
        if _is_cached(value):
            yield value.module, value.node, by
            continue
        for held in returns_of(value.module, value.node):
            if _is_held_outside(value, held):
                yield value.module, held, by


def _is_plain(call: ast.Call) -> bool:
    """Whether it is `net()` or `self.net()`, without arguments."""
    match call:
        case ast.Call(
            func=ast.Name() | ast.Attribute(value=ast.Name(id="self")),
            args=[],
            keywords=[],
        ):
            return True
    return False


def _is_cached(routine: Routine) -> bool:
    return any(
        last_word(one.func if isinstance(one, ast.Call) else one) in _CACHES
        for one in getattr(routine.node, "decorator_list", ())
    )


def _is_held_outside(routine: Routine, held: ast.expr) -> bool:
    """Whether it is a name from outside of the function, or something held there."""
    while isinstance(held, ast.Attribute | ast.Subscript):
        held = held.value
    found = routine.module.scopes.lookup(held) if isinstance(held, ast.Name) else None
    match found:
        case _, [binding] if binding.kind is Kind.PARAMETER:
            assert isinstance(binding.node, ast.arg)
            return (
                routine.owner is not None
                and isinstance(binding.place, Function)
                and is_self(binding.place, binding.node)
            )
        case scope, _:
            return scope is routine.module.scopes.top
    return False
