"""Functions that take the phase, build in a scope of slim, and never use it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.nodes import arguments_of
from ..reading.values import Known
from ..resolving.classes import calls_in
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_SCOPE = re.compile(
    r"(slim|contrib\.layers|tensorflow\.contrib\.framework)\.arg_scope$"
)


def unused_flags(module: Module) -> Iterator[tuple[ast.arg, str]]:
    """Yield each such parameter, and the function that opens an `arg_scope`."""
    if not module.mentions("arg_scope"):
        return
    for function in module.scopes.of(ast.FunctionDef):
        for argument in arguments_of(function):
            if (
                hints.is_training_flag(argument.arg)
                and not _is_used(function, argument.arg)
                and _opens_scope(module, function)
                and not _settles_phase(function)
            ):
                yield argument, function.name


def _is_used(function: ast.FunctionDef, name: str) -> bool:
    """Whether a parameter is used, or may be among options that are handed on."""
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return not used.isdisjoint({name, "locals"}) or function.args.kwarg is not None


def _settles_phase(function: ast.FunctionDef) -> bool:
    """Whether it passes a flag of its own, or builds BN without one (BN302)."""
    return any(
        (isinstance(node, ast.keyword) and node.arg in ("is_training", "training"))
        or (isinstance(node, ast.Attribute) and "batch_norm" in node.attr)
        for node in ast.walk(function)
    )


def _opens_scope(module: Module, function: ast.FunctionDef) -> bool:
    return any(
        isinstance(value, Known) and _SCOPE.match(value.name) is not None
        for call in calls_in(module, function)
        for value in values(module, call.func)
    )
