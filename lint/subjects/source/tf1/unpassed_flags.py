"""Flags of TensorFlow 1 layers that functions take, and that no caller passes."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.values import Class, Result, argument_for, default_of, unpacks
from ..resolving.callers import calls_elsewhere
from ..resolving.local_calls import calls_of
from ..resolving.resolve import values
from ..statistics.batch_norms import batch_norm_name
from .built_flags import flags_of_layers
from .training_ops import training_ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_Call = tuple["Module", ast.Call, int]
_DEPTH = 3


@dataclass(frozen=True)
class Unpassed:
    """The flag of BN or dropout that stays at the default of a parameter.

    Attributes:
        node: the flag.
        function: the function that takes it, by its name.
        default: the default.
        normalizes: whether it is the flag of BN.
        trains: whether the module makes the op that trains.
    """

    node: ast.Name
    function: str
    default: bool
    normalizes: bool
    trains: bool


def unpassed_flags(module: Module) -> Iterator[Unpassed]:
    """Yield the first such flag of each function, of BN if there is one."""
    found: dict[Function, Unpassed] = {}
    if module.is_test:
        return
    for call, flag in flags_of_layers(module):
        function = _taking(module, flag)
        if function is None or not isinstance(flag, ast.Name):
            continue
        default = default_of(function, flag.id)
        normalizes = any(batch_norm_name(value) for value in values(module, call.func))
        known = found.get(function)
        if (
            isinstance(default, ast.Constant)
            and isinstance(default.value, bool)
            and (known is None or (normalizes and not known.normalizes))
            and _is_left(module, function, flag.id)
        ):
            trains = any(True for _ in training_ops(module))
            found[function] = Unpassed(
                flag, _called(module, function), default.value, normalizes, trains
            )
    yield from found.values()


def always_trains(module: Module, flag: ast.expr) -> bool:
    """Whether a flag is a parameter of a `__call__` that only ever gets True.

    A network of the module that gets True in two functions infers in one of them, with
    the statistics of the batch, and so does its author with the others.
    """
    function = _taking(module, flag)
    if not isinstance(flag, ast.Name) or getattr(function, "name", "") != "__call__":
        return False
    assert function is not None
    alike = (
        other for other in module.scopes.of(ast.FunctionDef) if other.name == "__call__"
    )
    return bool(_callers_with_true(module, function, flag.id)) and any(
        len(_callers_with_true(module, other, flag.id)) > 1 for other in alike
    )


@remembered
def _callers_with_true(
    module: Module, function: ast.FunctionDef, name: str
) -> set[Function | None]:
    """The functions that call one with True; none if some call does otherwise."""
    calls = _calls_in_sight(module, function)
    given = [argument_for(call, function, name, skipped) for _, call, skipped in calls]
    if not all(isinstance(flag, ast.Constant) and flag.value is True for flag in given):
        return set()
    return {where.scopes.enclosing_function(call) for where, call, _ in calls}


def _taking(module: Module, flag: ast.expr) -> ast.FunctionDef | None:
    """The function whose parameter a flag is."""
    if isinstance(flag, ast.Name):
        match module.scopes.lookup(flag):
            case _, [Binding(kind=Kind.PARAMETER, place=ast.FunctionDef() as function)]:
                return function
    return None


def _called(module: Module, function: ast.FunctionDef) -> str:
    """The name by which it is called."""
    owner = module.owner_of(function)
    of_class = owner is not None and function.name in ("__call__", "__init__")
    return owner.name if owner is not None and of_class else function.name


def _is_left(
    module: Module, function: ast.FunctionDef, name: str, depth: int = 0
) -> bool:
    """Whether all that use a function are calls in sight, and none passes another."""
    calls = _calls_in_sight(module, function) if depth < _DEPTH else []
    return bool(calls) and all(
        _leaves(where, call, skipped, function, name, depth)
        for where, call, skipped in calls
    )


def _leaves(
    module: Module,
    call: ast.Call,
    skipped: int,
    function: ast.FunctionDef,
    name: str,
    depth: int,
) -> bool:
    if unpacks(call):
        return False
    given = argument_for(call, function, name, skipped)
    if given is None:
        return True
    outer = _taking(module, given)
    if outer is None or not isinstance(given, ast.Name):
        return False
    defaults = [default_of(function, name), default_of(outer, given.id)]
    alike = len({ast.unparse(each) for each in defaults if each is not None}) == 1
    return (
        alike and None not in defaults and _is_left(module, outer, given.id, depth + 1)
    )


def _calls_in_sight(module: Module, function: ast.FunctionDef) -> list[_Call]:
    """The calls of a function; none if it may be used in other ways as well."""
    called = _called(module, function)
    owner = module.owner_of(function)
    if function.name == "__call__" and owner is not None:
        return _calls_of_instances(module, owner) if _is_own(module, called) else []
    calls: list[_Call] = [(module, *call) for call in calls_of(module, function)]
    named = [
        node
        for node in module.scopes.of(ast.Name, ast.Attribute)
        if last_word(node) == called
    ]
    if len(named) != len(calls):
        return []
    if _is_own(module, called):
        return calls
    elsewhere = calls_elsewhere(module, function)
    return [*calls, *elsewhere] if len(elsewhere) == _uses(module, called) else []


def _calls_of_instances(module: Module, owner: ast.ClassDef) -> list[_Call]:
    return [
        (module, call, 1)
        for call in module.calls
        if any(
            isinstance(value, Result)
            and isinstance(value.maker, Class)
            and value.maker.node is owner
            for value in values(module, call.func)
        )
    ]


def _is_own(module: Module, name: str) -> bool:
    """Whether no other file names it."""
    return _uses(module, name) == 0


def _uses(module: Module, name: str) -> int:
    """How often other files may call or name it; -1 if it is not known.

    A file with a class of that name means its own.
    """
    texts = module.project.texts.by_path.values()
    use = re.compile(rf"\b{name}\s*\(|(?<!import )[\"'.,=(]\s*{name}\b(?!\s*\()")
    own = re.compile(rf"^[ \t]*class {name}\b", re.MULTILINE)
    if not texts:
        return -1
    return sum(
        len(use.findall(text))
        for text in texts
        if text != module.text and not (name in text and own.search(text))
    )
