"""Defaults of the options of a command, in the file that reads them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .classes import keyword

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def option_defaults(module: Module, option: ast.expr) -> list[ast.expr]:
    """What each parser of the file takes for an option that is not given.

    Empty if that is not in writing for one of them.
    """
    if (
        not isinstance(option, ast.Attribute)
        or "parse_args" not in module.calls_by_name
    ):
        return []
    defaults = [
        keyword(call, "default")
        for call in module.calls_by_name.get("add_argument", ())
        if option.attr in _names_of_option(call)
    ]
    written = [default for default in defaults if default is not None]
    return written if len(written) == len(defaults) else []


def _names_of_option(call: ast.Call) -> Iterator[str]:
    for given in (keyword(call, "dest"), *call.args):
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield given.value.lstrip("-").replace("-", "_")
