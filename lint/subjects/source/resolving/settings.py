"""Settings by name: `config.momentum` and `config["momentum"]`, wherever they are set.

The object or dict may be passed in by another file, alone or among the `**settings` of
a call.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.bindings import Kind
from ..reading.nodes import Function
from ..reading.values import Items, Literal, dict_entries
from .entries import put_in, set_on
from .option_defaults import option_defaults
from .outcomes import is_option
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


def literals(module: Module, expression: ast.expr) -> tuple[Literal, ...]:
    """Return the constants that an expression may be, those of settings among them.

    What is put into an object or dict later counts before what it is made with, and
    that before what its class sets. Of options that speak of normalization, and have
    no other value in sight, it is the default.
    """
    setting = local_value(module, expression)
    passed = [*_passed(module, setting)]
    for given in (
        _put_later(module, setting),
        passed,
        [(module, expression, None)],
        _defaults(module, setting),
    ):
        found = tuple(
            value
            for one in given
            if one is not None
            for value in values(one[0], one[1])
            if isinstance(value, Literal)
        )
        if found:
            return found
    if isinstance(setting, ast.Attribute) and is_option(module, setting):
        default = _number(module.project.options[setting.attr])
        if default is not None:
            return (Literal(default, module, setting),)
    return ()


def _defaults(module: Module, setting: ast.AST) -> Iterator[Given]:
    if isinstance(setting, ast.expr) and hints.is_named_for_phase(ast.unparse(setting)):
        for default in option_defaults(module, setting):
            yield module, default, None


def _put_later(module: Module, setting: ast.AST) -> Iterator[Given]:
    """What a setting is given after its object or dict is made."""
    match setting:
        case ast.Attribute():
            set_later = set_on(module, setting.value, setting.attr)
            yield from ((module, one, None) for one in set_later)
        case ast.Subscript(value=ast.Name() as base, slice=ast.Constant() as key):
            yield from ((module, one, None) for one in put_in(module, base, key))


def _passed(module: Module, setting: ast.AST) -> Iterator[Given]:
    """What the object or dict of a setting is made with, where it is passed in."""
    match setting:
        case ast.Attribute():
            yield from fields_of(module, setting, None) or ()
        case ast.Subscript():
            yield from entries_of(module, setting, None) or ()


def _number(default: object) -> float | None:
    """The number that the default of an option is, as written in a file of settings."""
    try:
        return float(default) if isinstance(default, str | int | float) else None
    except ValueError:
        return None


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
