"""Arguments that other files of a project pass to a function."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.limits import FILES_CALLING
from ..reading.memo import remembered
from ..reading.values import (
    Class,
    Parameter,
    Result,
    Routine,
    Self,
    argument_for,
)
from .lineage import method_of, project_lineage
from .members import members
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value


def handed_in(
    module: Module, expression: ast.expr
) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what callers in other files pass for the expression's parameters.

    Of `net.model` that is what the class of a `net` that they pass gives `self.model`.
    """
    if isinstance(expression, ast.Attribute):
        for other, holder in handed_in(module, expression.value):
            for value in values(other, holder):
                if isinstance(value, Self | Result):
                    yield from _given(value, expression.attr)
    for value in values(module, expression):
        if isinstance(value, Parameter):
            for other, call, skipped in calls_elsewhere(value.module, value.function):
                passed = argument_for(call, value.function, value.name, skipped)
                if passed is not None:
                    yield other, passed


def _given(instance: Self | Result, name: str) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what an attribute of an instance of the project's classes is given."""
    cls = instance.cls if isinstance(instance, Self) else instance.maker
    for ancestor in project_lineage(cls) if isinstance(cls, Class) else ():
        for one in members(ancestor.module, ancestor.node).given(name):
            yield ancestor.module, one


@remembered
def calls_elsewhere(
    module: Module, function: Function
) -> list[tuple[Module, ast.Call, int]]:
    """The calls of a function in other files.

    Each comes with the number of leading parameters that Python fills in (`self`).
    """
    return list(_calls_elsewhere(module, function))


def _calls_elsewhere(
    module: Module, function: Function
) -> Iterator[tuple[Module, ast.Call, int]]:
    if isinstance(function, ast.Lambda):
        return
    imported, called = _names_of(module, function)
    words = imported, module.imported_as
    for other in module.project.naming(*words, calling=called):
        if other.real_path == module.real_path:
            continue
        for call in other.calls_by_name.get(called, ()):
            for value in values(other, call.func):
                routine = _run_by_calling(value)
                if routine is not None and _is_same(routine, module, function):
                    skips = isinstance(value, Class) or routine.owner is not None
                    yield other, call, int(skips)
                    break


@remembered
def is_called_widely(module: Module, function: Function) -> bool:
    """Whether it may be called by so many files that they surely differ in how."""
    if isinstance(function, ast.Lambda):
        return False
    imported, called = _names_of(module, function)
    words = imported, module.imported_as
    files = module.project.texts.naming(words, called)
    return len(files) > FILES_CALLING


def _names_of(
    module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> tuple[str, str]:
    """Return what other files import to call a function, and what they call."""
    owner = module.owner_of(function)
    imported = function.name if owner is None else owner.name
    return imported, imported if function.name == "__init__" else function.name


def _run_by_calling(value: Value) -> Routine | None:
    if isinstance(value, Class):
        return method_of(value, "__init__")
    return value if isinstance(value, Routine) else None


def _is_same(routine: Routine, module: Module, function: Function) -> bool:
    """Whether it is that function: a file is read twice, to lint and as imported."""
    return (
        routine.node.lineno == function.lineno
        and routine.module.real_path == module.real_path
    )
