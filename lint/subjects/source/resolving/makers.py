"""What a name in a function makes, by the call that runs the function.

`norm_layer()` in a constructor makes what the constructor is passed, which a helper may
have chosen: `Net(get_norm_layer("instance"))`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import NAMES_VISITED
from ..reading.nodes import Function
from ..reading.values import Items, Routine, Self, default_of, dict_entries
from .comparisons import Other
from .heirs import giving, is_nothing
from .instances import given_by
from .lineage import method_of, project_lineage
from .members import returns_of
from .resolve import values
from .runs import is_run_by, passed_expression, run_of
from .switches import constants_of, is_dead, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Class, Value
    from .runs import Run


def makers(
    module: Module, function: ast.expr, run: Run | None, instance: Class | None
) -> tuple[Value, ...] | None:
    """Return what is called, as that run passes it; None if that is not known.

    A name is a parameter, as the run passes it, or what a call or choice gave it. Of
    `self.norm_class`, what the class `instance`, or the run, gives it; of
    `NORMS[kind]`, the entry of the kind that is passed.
    """
    match function:
        case ast.Name() if not _depends_on_run(module, function, run):
            return None
        case ast.Attribute() | ast.Subscript():
            if not any(_led_to(module, function, run, instance)):
                return None
        case ast.Name() | ast.Call():
            pass
        case _:
            return None
    return tuple(dict.fromkeys(_makers(module, function, run, instance))) or None


def _depends_on_run(module: Module, name: ast.Name, run: Run | None) -> bool:
    match module.scopes.lookup(name):
        case _, [binding] if binding.kind is Kind.PARAMETER and isinstance(
            binding.place, Function
        ):
            return run is not None and is_run_by(binding.place, run)
        case _, [binding] if binding.kind is Kind.VALUE:
            return isinstance(binding.node, ast.Call | ast.IfExp)
    return False


def _makers(
    module: Module, function: ast.expr, run: Run | None, instance: Class | None
) -> Iterator[Value]:
    pending: list[tuple[Module, ast.expr, Run | None]] = [(module, function, run)]
    visited: set[object] = set()
    while pending:
        where, expression, outer = pending.pop()
        mark = (expression, outer and outer.key)
        if mark in visited or len(visited) > NAMES_VISITED:
            continue
        visited.add(mark)
        found = list(_led_to(where, expression, outer, instance))
        if not found:
            yield from values(where, expression)
        pending += found


def _led_to(
    module: Module, expression: ast.expr, run: Run | None, instance: Class | None
) -> Iterator[tuple[Module, ast.expr, Run | None]]:
    """The expressions that it stands for in that run, one step back."""
    match expression:
        case ast.Name():
            found = module.scopes.lookup(expression)
            for binding in found[1] if found else ():
                if binding.kind is Kind.PARAMETER:
                    yield from _passed(module, expression.id, binding.place, run)
                elif (
                    binding.kind is Kind.VALUE
                    and isinstance(binding.node, ast.expr)
                    and not is_dead(module, binding.place, run)
                ):
                    yield module, binding.node, run
        case ast.Attribute(value=base, attr=name):
            for owner in values(module, base):
                if isinstance(owner, Self):
                    for where, given in _given(owner.cls, name, instance):
                        if not is_dead(where, given, run):
                            yield where, given, run
        case ast.Subscript(value=base, slice=key):
            keys = constants_of(module, key, run)
            if not any(isinstance(one, Other) for one in keys):
                for table in values(module, base):
                    entries = dict_entries(table) if isinstance(table, Items) else {}
                    for one in keys:
                        if isinstance(table, Items) and one in entries:
                            yield table.module, entries[one], run
        case ast.IfExp(test=test, body=one, orelse=other):
            chosen = truth(module, test, run)
            for side, wanted in ((one, True), (other, False)):
                if chosen in (None, wanted):
                    yield module, side, run
        case ast.Call():
            for function in values(module, expression.func):
                if isinstance(function, Routine):
                    inner = run_of(function, module, expression, run)
                    for returned in returns_of(function.module, function.node):
                        if not is_dead(function.module, returned, inner):
                            yield function.module, returned, inner


def _given(
    cls: Class, name: str, instance: Class | None
) -> Iterator[tuple[Module, ast.expr]]:
    """What an attribute of the class, or of the subclass that is looked at, is given.

    If it is not known which subclass that is, what any of them gives it.
    """
    if method_of(cls, name) is not None:
        return
    known = instance is not None and cls in project_lineage(instance)
    own = given_by(instance if known and instance else cls, name)
    set_to = [given for given in own if not is_nothing(given[1])]
    yield from set_to
    for heir in () if known or set_to else giving(cls, name):
        yield from given_by(heir, name)


def _passed(
    module: Module, name: str, function: ast.AST, run: Run | None
) -> Iterator[tuple[Module, ast.expr, Run | None]]:
    if not isinstance(function, Function):
        return
    given = passed_expression(run, function, name)
    if given is not None:
        yield given
    elif is_run_by(function, run):
        default = default_of(function, name)
        if default is not None:
            yield module, default, None
