"""Training steps of base classes: what they call, subclasses define."""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING

from ..networks.parts import is_empty
from ..reading.limits import SUBCLASSES
from ..reading.reach import may_reach
from ..reading.values import Class
from ..resolving.classes import calls_in, keras_kind
from ..resolving.heirs import inherits
from ..resolving.instances import given_by, subclasses
from ..resolving.lineage import method_of, project_lineage
from ..resolving.members import attribute_of_self, self_name
from .tapes import TAPE, has_tape, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..resolving.members import Method

# Methods that a network inherits from Keras.
_OF_KERAS = {
    *("compute_loss", "compute_metrics", "compiled_loss", "compiled_metrics"),
    *("add_loss", "add_metric", "stateless_call", "predict", "get_layer"),
}


def subclasses_of_step(module: Module, tape: ast.With) -> Iterator[Class]:
    """Yield the subclasses here that inherit the method that a tape is in."""
    found = _stepping_class(module, tape)
    if found is not None:
        cls, method = found
        near = subclasses(cls, everywhere=False)
        yield from islice((one for one in near if inherits(one, method)), SUBCLASSES)


def files_of_subclasses(module: Module) -> Iterator[Module]:
    """Yield other files with subclasses of classes here whose steps need them.

    Such a class does not show what it calls.
    """
    found: dict[Module, None] = {}
    for tape in filter(records, module.scopes.of(ast.With)):
        stepping = _stepping_class(module, tape)
        if stepping is not None:
            cls, method = stepping
            if not _shows(cls, {*_own_calls(module, tape, method)}):
                found |= dict.fromkeys(one.module for one in subclasses(cls))
    found.pop(module, None)
    yield from islice(found, SUBCLASSES)


def inherited_steps(module: Module) -> Iterator[tuple[Module, ast.With, Class]]:
    """Yield the steps that classes of a module inherit from those of other files.

    Each is its file, what opens its tape, and the class that inherits it.
    """
    extending = [node for node in module.classes if node.bases]
    for node in extending if extending and may_reach(module, has_tape) else ():
        cls = Class(module, node)
        for base in project_lineage(cls)[1:]:
            where = base.module
            if where is module or not where.mentions(TAPE):
                continue
            for tape in filter(records, where.scopes.of(ast.With)):
                method = _method_around(where, tape)
                if (
                    method is not None
                    and where.owner_of(method) is base.node
                    and inherits(cls, method)
                    and any(_own_calls(where, tape, method))
                ):
                    yield where, tape, cls


def _stepping_class(module: Module, tape: ast.With) -> tuple[Class, Method] | None:
    """The class and method that a tape is in, if that calls others of its instance."""
    method = _method_around(module, tape) if records(tape) else None
    owner = None if method is None else module.owner_of(method)
    if method is None or owner is None or not any(_own_calls(module, tape, method)):
        return None
    return Class(module, owner), method


def _method_around(module: Module, tape: ast.With) -> Method | None:
    """The method that a tape is in, or in a function inside of."""
    for outer in module.scopes.ancestors(tape):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) and (
            module.owner_of(outer) is not None
        ):
            return outer
    return None


def _own_calls(module: Module, node: ast.AST, method: Function) -> Iterator[str]:
    """`name` of every `self.name(...)` in a piece of the method's code."""
    me = self_name(method)
    for call in calls_in(module, method):
        name = attribute_of_self(call.func, me)
        if name is not None and node in (method, *module.scopes.ancestors(call)):
            yield name


def _shows(cls: Class, names: set[str]) -> bool:
    """Whether the class, or a base of it, says what it calls by these names."""
    if keras_kind(cls) is not None:
        names -= _OF_KERAS
    pending, seen = [*names], set(names)
    while pending:
        name = pending.pop()
        routine = method_of(cls, name)
        if routine is None:
            if all(is_empty(given) for _, given in given_by(cls, name)):
                return False
        elif not _has_body(routine.node):
            return False
        else:
            called = {*_own_calls(routine.module, routine.node, routine.node)} - seen
            seen |= called
            pending += called
    return True


def _has_body(function: Function) -> bool:
    """Whether it does anything: not `...`, `pass` or `raise NotImplementedError`."""
    if isinstance(function, ast.Lambda):
        return True
    for statement in function.body:
        match statement:
            case ast.Pass() | ast.Raise() | ast.Expr(value=ast.Constant()):
                continue
        return True
    return False
