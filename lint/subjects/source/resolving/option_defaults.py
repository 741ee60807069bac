"""Defaults of the options of a command, in the file that reads them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.nodes import Function, last_word
from .classes import keyword
from .local_calls import calls_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_DEFINING = ("DEFINE_float", "DEFINE_integer", "DEFINE_bool", "DEFINE_boolean")
_OF_CLICK = "option"


def option_defaults(module: Module, option: ast.expr) -> list[ast.expr]:
    """What each parser of the file takes for an option that is not given.

    That is `args.name` of argparse, `FLAGS.name` of absl, or the parameter of a
    function that click runs, or that gets `**vars(args)`. Empty if that is not in
    writing for one of them.
    """
    match option:
        case ast.Name():
            defaults = [*_of_parameters(module, option)]
        case ast.Attribute(value=holder, attr=name):
            defaults = [*_of_argparse(module, name)]
            if last_word(holder) == "FLAGS":
                defaults += _of_absl(module, name)
        case _:
            return []
    written = [default for default in defaults if default is not None]
    return written if len(written) == len(defaults) else []


def _of_argparse(module: Module, name: str) -> Iterator[ast.expr | None]:
    if "parse_args" in module.calls_by_name:
        for call in module.calls_by_name.get("add_argument", ()):
            if name in _names_of_option(call):
                yield keyword(call, "default")


def _of_absl(module: Module, name: str) -> Iterator[ast.expr | None]:
    for word in _DEFINING:
        for call in module.calls_by_name.get(word, ()):
            match call.args:
                case [ast.Constant(value=defined), *rest] if defined == name:
                    yield rest[0] if rest else keyword(call, "default")


def _of_parameters(module: Module, name: ast.Name) -> Iterator[ast.expr | None]:
    """The default of the option that a parameter is, by click or `**vars(args)`."""
    if not module.mentions("click", "vars("):
        return
    found = module.scopes.lookup(name)
    for binding in found[1] if found else ():
        if binding.kind is not Kind.PARAMETER:
            continue
        for decorator in getattr(binding.place, "decorator_list", ()):
            if (
                isinstance(decorator, ast.Call)
                and last_word(decorator.func) == _OF_CLICK
                and name.id in _names_of_option(decorator)
            ):
                yield keyword(decorator, "default")
        assert isinstance(binding.place, Function)
        if any(_gets_options(call) for call, _ in calls_of(module, binding.place)):
            yield from _of_argparse(module, name.id)


def _gets_options(call: ast.Call) -> bool:
    """Whether a call unpacks all options: `main(**vars(args))`."""
    return any(
        given.arg is None
        and isinstance(given.value, ast.Call)
        and last_word(given.value.func) == "vars"
        for given in call.keywords
    )


def _names_of_option(call: ast.Call) -> Iterator[str]:
    for given in (keyword(call, "dest"), *call.args):
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield given.value.lstrip("-").replace("-", "_")
