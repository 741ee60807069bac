"""Arguments that other files of a project pass to a function."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.limits import FILES_CALLING, OBJECTS_HANDED
from ..reading.memo import remembered
from ..reading.values import Class, Items, Known, Parameter, Result, Routine, Self
from .instances import given_by
from .lineage import method_of
from .local_calls import calls_of
from .resolve import values
from .starred import argument_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value

# Functions whose result holds the layers of what it is given.
_COPYING = ("keras.models.clone_model", "copy.deepcopy", "copy.copy")


def handed_in(
    module: Module, expression: ast.expr, depth: int = 0
) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what callers in other files pass for the expression's parameters.

    Of `self.task.net` with a task that is passed in, that is what the task is given.
    """
    for value in values(module, expression):
        match value:
            case Parameter(function=called, name=name):
                for other, call, skipped in calls_elsewhere(value.module, called):
                    passed = argument_in(other, call, called, name, skipped)
                    if passed is not None:
                        yield other, _taken_from(other, passed, expression, name)
            case Result(maker=Known(name), call=ast.Call(args=[copied, *_])) if (
                name in _COPYING and depth < OBJECTS_HANDED
            ):
                yield from handed_in(value.module, copied, depth + 1)
    if isinstance(expression, ast.Attribute) and depth < OBJECTS_HANDED:
        for cls in _classes_of(module, expression.value, depth):
            for given in given_by(cls, expression.attr):
                yield given
                yield from handed_in(*given, depth + 1)


def _taken_from(
    module: Module, passed: ast.expr, expression: ast.expr, name: str
) -> ast.expr:
    """What is passed for a parameter, or the item of it that the expression takes.

    Of `nets[i]`, and of the `net` that a loop takes from `nets`, that is any item.
    """
    index: ast.expr = ast.Slice()
    match expression:
        case ast.Subscript(value=base, slice=key):
            passed = _taken_from(module, passed, base, name)
            index = key if isinstance(key, ast.Constant) else index
        case ast.Name(id=one) if one != name and any(
            isinstance(value, Items) for value in values(module, passed)
        ):
            pass
        case _:
            return passed
    return ast.copy_location(ast.Subscript(passed, index, ast.Load()), passed)


def called_on(module: Module, function: ast.expr) -> Iterator[Value]:
    """Yield what may be called: what other files pass, or methods of their objects."""
    found = values(module, function)
    yield from found
    if found and all(isinstance(value, Parameter) for value in found):
        for where, passed in handed_in(module, function):
            yield from values(where, passed)
    if not found and isinstance(function, ast.Attribute):
        for cls in _classes_of(module, function.value, 0):
            method = method_of(cls, function.attr)
            if method is not None:
                yield Routine(method.module, method.node, cls)


def _classes_of(module: Module, instance: ast.expr, depth: int) -> Iterator[Class]:
    """The classes of the objects that other files pass."""
    for where, passed in handed_in(module, instance, depth + 1):
        for owner in values(where, passed):
            match owner:
                case Result(maker=Class() as cls) | Self(cls=cls):
                    yield cls


def all_calls(module: Module, function: Function) -> list[tuple[Module, ast.Call, int]]:
    """The calls of a function in its own file, then those in others, as these are."""
    here = [(module, *call) for call in calls_of(module, function)]
    return here + calls_elsewhere(module, function)


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
