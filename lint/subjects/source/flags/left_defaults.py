"""Flags of a method that are constant: no call passes one, or all pass the same."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ....semantics import NONE_IS_INFERENCE
from ..reading import hints
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
    method = _method_of(said)
    if method is None:
        return None
    default = inferring_default(module, method, said.parameter)
    if default is None:
        return None
    calls = _all_calls(module, method)
    left = bool(calls) and not any(
        passes(call, method, said.parameter, skipped) for _, call, skipped in calls
    )
    return default if left else None


def passed_by_all(module: Module, said: Said) -> ast.Constant | None:
    """The constant that all calls of a method pass for the flag that it passes on.

    A None counts where that is inference.
    """
    method = _method_of(said)
    if method is None or hints.keeps_still(method.name):
        return None
    calls = _all_calls(module, method)
    if any(_asks_for_phase(where, call) for where, call, _ in calls):
        return None
    given = [argument_for(call, method, said.parameter, n) for _, call, n in calls]
    flags = [flag for flag in given if isinstance(flag, ast.Constant)]
    if not flags or len(flags) < len(given):
        return None
    meant = {flag.value for flag in flags}
    none_infers = keras_for(module).has(NONE_IS_INFERENCE)
    settled = meant in ({True}, {False}) or (meant == {None} and none_infers)
    return flags[0] if settled else None


def _method_of(said: Said) -> ast.FunctionDef | None:
    """The method, other than `call`, whose parameter is passed on."""
    method = said.function
    if said.how is not How.PASSED_ON or not isinstance(method, ast.FunctionDef):
        return None
    plain = method.name not in ("call", "__call__") and not said.packed
    return method if plain else None


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
def _all_calls(
    module: Module, method: ast.FunctionDef
) -> tuple[tuple[Module, ast.Call, int], ...]:
    """The calls of a method in the project; none if it may be used in other ways."""
    named = [
        node for node in module.scopes.of(ast.Attribute) if node.attr == method.name
    ]
    calls = calls_of(module, method)
    uses = _uses_elsewhere(module, method.name)
    if len(calls) != len(named) or uses < 0:
        return ()
    others = calls_elsewhere(module, method) if uses else []
    if len(others) != uses:
        return ()
    return (*((module, *call) for call in calls), *others)


def _asks_for_phase(module: Module, call: ast.Call) -> bool:
    """Whether the function around a call decides by the phase, or samples."""
    function = module.scopes.enclosing_function(call)
    if function is None or hints.is_meant_random(getattr(function, "name", "")):
        return True
    tests = [
        node.test
        for node in ast.walk(function)
        if isinstance(node, ast.If | ast.IfExp | ast.While)
    ]
    return any(hints.speaks_of_phase(ast.unparse(test)) for test in tests)


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
