"""Calls of a function in its own module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading.values import Class, Known, Partial, Result, Routine, Value
from .handles import joined, name_of, names_of, names_of_instances, runs_of
from .lineage import method_of
from .resolve import values

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_CALL = "__call__"
_GRADIENTS = {
    *("jax.grad", "jax.value_and_grad"),
    *("flax.nnx.grad", "flax.nnx.value_and_grad"),
}


def calls_of(module: Module, function: Function) -> list[tuple[ast.Call, int]]:
    """The calls of a function in its own module.

    Each comes with the number of leading parameters that Python fills in (`self`).
    """
    owner = module.owner_of(function)
    name = name_of(module, function)
    if owner is not None and name == "__init__":
        made = _constructions(module, function)
        return [(call, 1) for call in (*made, *_partly_made(module, owner, function))]
    found = []
    named = names_of(module, function) if name else frozenset()
    if owner is not None and name == _CALL:
        named |= names_of_instances(module, owner)
    calls = [
        call for constant in named for call in module.calls_by_name.get(constant, ())
    ]
    for call in calls:
        for value in values(module, call.func):
            run = _run_by(module, value, call)
            if run is not None and run[0].node is function:
                found.append((run[1], 0 if run[0].owner is None else 1))
                break
    for handed, call in runs_of(module) if name else ():
        for value in values(module, handed):
            if isinstance(value, Routine) and value.node is function:
                found.append((call, 0 if value.owner is None else 1))
                break
    return found


def _run_by(
    module: Module, value: Value, call: ast.Call
) -> tuple[Routine, ast.Call] | None:
    """The function that calling a value runs, and with what."""
    match value:
        case Routine():
            return value, call
        case Partial(function=Routine() as inner, call=partial):
            return inner, joined(partial, call)
        case Result(maker=Known(name), call=made) if name in _GRADIENTS and made.args:
            for found_value in values(module, made.args[0]):
                if isinstance(found_value, Routine):
                    return found_value, call
        case Result(maker=Class() as cls):
            own = method_of(cls, _CALL)
            return None if own is None else (own, call)
    return None


def _partly_made(
    module: Module, owner: ast.ClassDef, constructor: Function
) -> Iterator[ast.Call]:
    """The calls of `partial(Block, ...)`, joined with what that passes."""
    for name in names_of(module, owner) if "partial" in module.calls_by_name else ():
        for call in module.calls_by_name.get(name, ()):
            for value in values(module, call.func):
                match value:
                    case Partial(function=Class() as made, call=partial):
                        routine = method_of(made, "__init__")
                        if routine is not None and routine.node is constructor:
                            yield joined(partial, call)


def _constructions(module: Module, constructor: Function) -> Iterator[ast.Call]:
    """The calls that run that `__init__`, directly or through `super()`.

    `from_config` makes again what was made elsewhere.
    """
    candidates = [*module.calls_by_name.get("__init__", ())]
    for call in module.calls_by_name.get("cls", ()):
        if "from_config" not in module.scopes.names_around(call):
            candidates.append(call)
    for node in module.classes:
        candidates += module.calls_by_name.get(node.name, ())
    for call in candidates:
        for value in values(module, call.func):
            if isinstance(value, Class):
                value = method_of(value, "__init__") or value
            if isinstance(value, Routine) and value.node is constructor:
                yield call
                break
