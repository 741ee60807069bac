"""Layers that are not told the phase where the layers beside them are.

As a rule the call around them tells it. Where nothing calls the class as a layer, as in
`network.call(x, training=True)` or a `fit` on JAX, they are left in inference mode.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import hints
from .classes import calls_in, keras_kind, reached, takes_training
from .contents import holds
from .leaks import is_layer
from .members import members
from .memo import found_once
from .resolve import method_of, values
from .saying import FLAG, says_otherwise
from .untold import is_told, untold_on_jax
from .values import Class, Result, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module
    from .scopes import Function


@dataclass(frozen=True)
class LeftOut:
    """A call of a layer that depends on the phase, beside one that is told it.

    Attributes:
        call: the call.
        beside: what is told, as written.
    """

    call: ast.Call
    beside: str


@found_once
def left_out(module: Module) -> Iterator[LeftOut]:
    """Every such call in the `call` of a Keras class, and in what it uses, each once.

    What is an error on JAX is left out.
    """
    if not module.mentions(FLAG):
        return
    seen = {each.call for each in untold_on_jax(module)}
    for node in module.classes:
        of = Class(module, node)
        if "call" not in members(module, node).methods or keras_kind(of) is None:
            continue
        for routine in reached(of, "call"):
            if routine.module is module and FLAG in parameters(routine.node):
                for found in _beside_others(module, routine.node):
                    if found.call not in seen:
                        seen.add(found.call)
                        yield found


def _beside_others(module: Module, function: Function) -> Iterator[LeftOut]:
    calls = list(calls_in(module, function))
    told = next(filter(_passes_on, calls), None)
    if told is None:
        return
    for call in calls:
        if (
            isinstance(call.func, ast.Attribute | ast.Name | ast.Subscript)
            and not is_told(module, call)
            and not says_otherwise(call)
            and _depends_on_phase(module, call)
            and not _is_asked_before(module, call, function)
        ):
            yield LeftOut(call, ast.unparse(told.func))


def _passes_on(call: ast.Call) -> bool:
    return any(
        each.arg == FLAG and isinstance(each.value, ast.Name) and each.value.id == FLAG
        for each in call.keywords
    )


def _depends_on_phase(module: Module, call: ast.Call) -> bool:
    """Whether a layer is called that holds BN or dropout, or reads the flag itself."""
    if not is_layer(module, call):
        return False
    if holds(module, call.func):
        return True
    return any(
        isinstance(value, Result)
        and isinstance(value.of, Class)
        and _reads_flag(value.of)
        for value in values(module, call.func)
    )


def _reads_flag(of: Class) -> bool:
    """Whether its `call` does something else in training, of its own."""
    routine = method_of(of, "call")
    if routine is None or not takes_training(routine.node):
        return False
    return any(
        isinstance(each, ast.If | ast.IfExp)
        and any(
            isinstance(part, ast.Name) and part.id == FLAG
            for part in ast.walk(each.test)
        )
        for each in ast.walk(routine.node)
    )


def _is_asked_before(module: Module, call: ast.Call, function: Function) -> bool:
    """Whether a branch around it asks for the phase, or a name says it samples."""
    for outer in module.scopes.ancestors(call):
        if outer is function:
            break
        if isinstance(outer, ast.If | ast.IfExp) and hints.speaks_of_phase(
            ast.unparse(outer.test)
        ):
            return True
    return hints.is_meant_random(getattr(function, "name", ""))
