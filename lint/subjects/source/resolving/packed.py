"""Dicts of settings that calls unpack: `**settings`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Items, dict_entries
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def settings_of(module: Module, packed: ast.expr) -> Items | None:
    """Return the dict, if it has just the entries that it is written with."""
    match values(module, packed):
        case (Items() as settings,) if is_complete(module, packed, settings):
            return settings
    return None


def given_in(settings: Items, key: object) -> list[tuple[Module, ast.expr]]:
    """What a dict has by a key: of the dicts that it is made of, the last that has it.

    What is merged into it without being in sight may give another.
    """
    trail = settings.module.project.trail
    if not trail.enter(settings.node):  # settings = {**settings, ...}
        return []
    found: list[tuple[Module, ast.expr]] = []
    for name, part in reversed([*_parts(settings)]):
        if name == key:
            found = [(settings.module, part)]
        elif name is None:
            found = [
                given
                for value in values(settings.module, part)
                if isinstance(value, Items)
                for given in given_in(value, key)
            ]
        if found:
            break
    trail.leave(settings.node)
    return found


def _parts(settings: Items) -> Iterator[tuple[object, ast.expr]]:
    """The entries of a dict in their order, each with its key: None for a whole dict.

    An entry whose key is not a constant is left out.
    """
    match settings.node:
        case ast.Dict(keys=keys, values=entries):
            for name, entry in zip(keys, entries, strict=True):
                if isinstance(name, ast.Constant):
                    yield name.value, entry
                elif name is None:
                    yield None, entry
        case ast.Call(args=args, keywords=keywords):
            pairs = ast.Call(settings.node.func, args, [])
            written = dict_entries(Items(settings.module, pairs))
            yield from written.items()
            if not written:
                yield from ((None, one) for one in args[:1])
            yield from ((keyword.arg, keyword.value) for keyword in keywords)


def is_complete(module: Module, packed: ast.expr, settings: Items) -> bool:
    """Whether a dict has just the entries that it is written with."""
    match settings.node:
        case ast.Dict(keys=keys):
            written = all(isinstance(key, ast.Constant) for key in keys)
        case ast.Call(args=[], keywords=keywords):
            written = all(keyword.arg is not None for keyword in keywords)
        case _:
            written = False
    return written and not any(
        _is_changed(where, ast.unparse(packed)) for where in (module, settings.module)
    )


def _is_changed(module: Module, settings: str) -> bool:
    """Whether entries are set later: `settings["key"] = value`, or by a method."""
    return any(
        isinstance(node.ctx, ast.Store | ast.Del)
        and ast.unparse(node.value) == settings
        for node in module.scopes.of(ast.Subscript)
    ) or any(
        isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == settings
        for word in ("update", "setdefault", "pop", "popitem", "clear")
        for call in module.calls_by_name.get(word, ())
    )
