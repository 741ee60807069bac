"""Flags that stay at the default of a method, as no call of it passes another."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ....semantics import NONE_IS_INFERENCE
from ..reading.keras_versions import keras_for
from ..reading.memo import remembered
from ..reading.values import argument_for, default_of, unpacks
from ..resolving.callers import calls_elsewhere
from ..resolving.local_calls import calls_of
from ..resolving.saying import How

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..resolving.saying import Said


def left_at_default(module: Module, said: Said) -> ast.Constant | None:
    """The default False, or None, that a method passes on whoever calls it.

    It is None where any caller may pass another, and for the None of a Keras in which
    passing that on changes nothing.
    """
    method = said.function
    if said.how is not How.PASSED_ON or not isinstance(method, ast.FunctionDef):
        return None
    if method.name in ("call", "__call__") or said.packed:
        return None
    default = inferring_default(module, method, said.parameter)
    return default if default and _is_left(module, method, said.parameter) else None


def inferring_default(
    module: Module, function: Function, name: str
) -> ast.Constant | None:
    """The default of a flag, if passing it on means inference."""
    match default_of(function, name):
        case ast.Constant(value=False) as default:
            return default
        case ast.Constant(value=None) as default:
            means = keras_for(module).has(NONE_IS_INFERENCE)
            return default if means else None
    return None


@remembered
def _is_left(module: Module, method: ast.FunctionDef, name: str) -> bool:
    """Whether all uses of the method in the project are calls that do not pass it."""
    named = [
        node for node in module.scopes.of(ast.Attribute) if node.attr == method.name
    ]
    calls = calls_of(module, method)
    if len(calls) != len(named) or any(
        passes(call, method, name, skipped) for call, skipped in calls
    ):
        return False
    uses = _uses_elsewhere(module, method.name)
    others = calls_elsewhere(module, method) if uses > 0 else []
    return (
        len(others) == uses
        and bool(calls or others)
        and not any(passes(call, method, name, skipped) for _, call, skipped in others)
    )


def passes(call: ast.Call, function: Function, name: str, skipped: int) -> bool:
    """Whether a call of a function passes a parameter, or may do so."""
    return argument_for(call, function, name, skipped) is not None or unpacks(call)


def _uses_elsewhere(module: Module, name: str) -> int:
    """How often other files may use a method of that name; -1 if it is not known."""
    use = re.compile(rf"\.\s*{name}\b|[\"']{name}[\"']")
    texts = module.project.texts.by_path.values()
    if not texts:
        return -1  # the project is too large
    return sum(len(use.findall(text)) for text in texts if text != module.text)
