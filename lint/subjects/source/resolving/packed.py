"""Dicts of settings that calls unpack: `**settings`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Items
from .resolve import values

if TYPE_CHECKING:
    from ..reading.module import Module


def settings_of(module: Module, packed: ast.expr) -> Items | None:
    """Return the dict, if it has just the entries that it is written with."""
    match values(module, packed):
        case (Items() as settings,) if is_complete(module, packed, settings):
            return settings
    return None


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
