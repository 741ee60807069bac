"""Settings by name: `config.momentum` and `config["momentum"]`, wherever they are set.

The object or dict may be passed in by another file, alone or among the `**settings` of
a call.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.nodes import Function
from ..reading.values import Items, Literal, dict_entries
from .packed import is_complete
from .passed import passed_for
from .records import fields_of
from .resolve import values
from .saying import local_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from .passed import Given
    from .runs import Run


def literals(module: Module, expression: ast.expr) -> Iterator[Literal]:
    """Yield the constants that an expression may be, those of settings among them.

    What an object was made with counts before what its class sets.
    """
    given: list[Given] | None = None
    match local_value(module, expression):
        case ast.Attribute() as field:
            given = fields_of(module, field, None)
        case ast.Subscript() as entry:
            given = entries_of(module, entry, None)
    found = [] if given and all(given) else _constants(module, expression)
    yield from found
    for one in given or () if not found else ():
        if one is not None:
            yield from _constants(one[0], one[1])


def _constants(module: Module, expression: ast.expr) -> list[Literal]:
    return [one for one in values(module, expression) if isinstance(one, Literal)]


def entries_of(
    module: Module, subscript: ast.Subscript, run: Run | None
) -> list[Given] | None:
    """What `config["key"]` may be, of dicts that are passed in; None if none is."""
    match subscript:
        case ast.Subscript(value=ast.Name() as name, slice=ast.Constant(value=key)):
            looked_up = module.scopes.lookup(name)
        case _:
            return None
    match looked_up:
        case _, [binding] if binding.kind is Kind.PARAMETER:
            assert isinstance(binding.place, Function)
        case _:
            return None
    found: list[Given] = []
    for given in passed_for(module, binding.place, name.id, run):
        found += _entries(given, key)
    return found if any(found) else None


def _entries(given: Given, key: object) -> Iterator[Given]:
    if given is None:
        yield None
        return
    module, expression, run = given
    for settings in values(module, expression) or (None,):
        entry = None
        if isinstance(settings, Items) and is_complete(module, expression, settings):
            entry = dict_entries(settings).get(key)
            where = settings.module
        yield None if entry is None else (where, entry, run)
