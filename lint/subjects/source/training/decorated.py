"""Losses whose decorator takes their gradients: `@optimize(optimizer, variables)`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.nodes import arguments_of, last_word
from ..reading.reach import may_reach
from ..reading.values import Routine, argument_for
from ..resolving.classes import calls_in
from ..resolving.resolve import values
from .owners import owners
from .tapes import has_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

# Common decorators that take no gradients.
_OTHERS = {
    *("function", "jit", "property", "setter", "staticmethod", "classmethod"),
    *("abstractmethod", "contextmanager", "wraps", "override", "parametrize"),
}


def decorated_losses(
    module: Module,
) -> Iterator[tuple[ast.FunctionDef, ast.With, Routine, ast.expr]]:
    """Yield each function that a decorator calls under a tape.

    It comes with the `with` that may open the tape, the decorating function and the
    decorator as written.
    """
    decorated = [
        (node, decorator)
        for node in module.scopes.of(ast.FunctionDef)
        for decorator in node.decorator_list
        if last_word(getattr(decorator, "func", decorator)) not in _OTHERS
    ]
    if not decorated or not may_reach(module, has_tape):
        return
    for node, decorator in decorated:
        for value in values(module, decorator):
            if isinstance(value, Routine) and arguments_of(value.node):
                for opened in _calling(value):
                    yield node, opened, value, decorator


def _calling(decorating: Routine) -> Iterator[ast.With]:
    """The `with` statements in which it calls what it decorates."""
    where, first = decorating.module, arguments_of(decorating.node)[0].arg
    for call in calls_in(where, decorating.node):
        if isinstance(call.func, ast.Name) and call.func.id == first:
            for outer in where.scopes.ancestors(call):
                if isinstance(outer, ast.With):
                    yield outer
                if outer is decorating.node:
                    break


def passed_to_decorator(
    module: Module, decorating: Routine, decorator: ast.expr, source: ast.expr
) -> Iterator[ast.expr]:
    """Yield the variables that gradients are taken for, as the decorator is given them.

    Its arguments are those of the function around the one that decorates.
    """
    factory = decorating.module.scopes.enclosing_function(decorating.node)
    if factory is None or not isinstance(decorator, ast.Call):
        return
    given = _argument(decorating.module, factory, decorator, source)
    if given is not None:
        yield given
        return
    for network in owners(decorating.module, source):
        given = _argument(decorating.module, factory, decorator, network)
        if given is not None:
            variables = ast.Attribute(given, "trainable_variables", ast.Load())
            yield ast.copy_location(variables, given)


def _argument(
    module: Module, factory: Function, decorator: ast.Call, name: ast.expr
) -> ast.expr | None:
    """What a decorator passes for what is a parameter of its function."""
    looked_up = module.scopes.lookup(name) if isinstance(name, ast.Name) else None
    match looked_up:
        case _, [binding] if binding.kind is Kind.PARAMETER and (
            binding.place is factory and isinstance(name, ast.Name)
        ):
            skipped = int(module.owner_of(factory) is not None)
            return argument_for(decorator, factory, name.id, skipped)
    return None
