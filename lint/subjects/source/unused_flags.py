"""Functions that take the phase, build in a scope of slim, and never use it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from . import hints
from .classes import calls_in
from .nodes import arguments_of
from .resolve import values
from .values import Known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_SCOPE = re.compile(
    r"(slim|contrib\.layers|tensorflow\.contrib\.framework)\.arg_scope$"
)


def unused_flags(module: Module) -> Iterator[tuple[ast.arg, str]]:
    """Yield each such parameter, and the function that opens an `arg_scope`."""
    if not module.mentions("arg_scope"):
        return
    for function in module.scopes.of(ast.FunctionDef):
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        if "locals" in used or function.args.kwarg is not None:
            continue
        for argument in arguments_of(function):
            is_flag = hints.is_training_flag(argument.arg)
            if (
                is_flag
                and argument.arg not in used
                and _opens_scope(module, function)
                and not _settles_phase(function)
            ):
                yield argument, function.name


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
