"""Batch normalization and dropout whose result is dropped, or gets a name in vain."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.memo import remembered
from ..reading.uses import is_read
from .applied import is_layer, kind_applied, kind_made
from .losses import (
    Loss,
    Unused,
    is_meant,
    may_be_layer,
    mentions_layers,
    reaches_nothing,
    read_on,
)
from .trying import is_beside_network, only_tries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def unused_results(module: Module) -> Iterator[Unused]:
    """Yield each layer of batch normalization or dropout without an effect."""
    if module.is_test or not mentions_layers(module):
        return
    for statement in module.scopes.of(ast.Expr):
        for call in _calls_of_statement(statement.value):
            if may_be_layer(call.func):
                found = _of_statement(module, statement, call)
                if found is not None and not only_tries(module, statement):
                    yield found
    for assignment in (*module.scopes.of(ast.Assign), *module.scopes.of(ast.AnnAssign)):
        match assignment:
            case (
                ast.Assign(targets=[ast.Name() as name], value=ast.Call() as call)
                | ast.AnnAssign(target=ast.Name() as name, value=ast.Call() as call)
            ) if may_be_layer(call.func) and not hints.is_put_aside(name.id):
                found = _of_assignment(module, assignment, name, call)
                if found is not None and not only_tries(module, assignment):
                    yield found


def _calls_of_statement(expression: ast.expr) -> Iterator[ast.Call]:
    """The calls whose result a statement drops, as in `use_bn and bn(x)`."""
    match expression:
        case ast.Call():
            yield expression
        case ast.IfExp(body=one, orelse=other):
            yield from _calls_of_statement(one)
            yield from _calls_of_statement(other)
        case ast.BoolOp(values=[*_, last]):
            yield from _calls_of_statement(last)
        case ast.Compare(ops=[ast.Eq()], comparators=[right]):
            yield from _calls_of_statement(right)


def _of_statement(module: Module, statement: ast.Expr, call: ast.Call) -> Unused | None:
    kind = kind_made(module, call)
    if kind is not None:
        is_near = is_beside_network(module, statement)
        return Unused(call, kind, Loss.NOT_ADDED) if is_near else None
    kind = kind_applied(module, call)
    if kind is None or is_meant(module, call, kind):
        return None
    tensor = next(read_on(module, statement, call), None)
    return Unused(call, kind, Loss.DROPPED, "", tensor) if tensor else None


def _of_assignment(
    module: Module, assignment: ast.stmt, name: ast.Name, call: ast.Call
) -> Unused | None:
    kind = kind_made(module, call)
    if kind is not None:
        is_lost = not is_read(module, name) and is_beside_network(module, assignment)
        # Whoever writes a script or a notebook may have kept it for later.
        is_lost = is_lost and module.scopes.scope_of(name) is not module.scopes.top
        return Unused(call, kind, Loss.NOT_CALLED, name.id) if is_lost else None
    kind = kind_applied(module, call)
    if kind is None:
        return None
    if not reaches_nothing(module, name):
        skipped = _passed_over(module, assignment, call)
        if skipped is None:
            return None
        given = ast.unparse(call.args[0])
        return Unused(call, kind, Loss.PASSES_OVER, skipped, given)
    if is_meant(module, call, kind) or _is_repeated(module, assignment):
        return None
    tensor = next(read_on(module, assignment, call), None)
    return Unused(call, kind, Loss.NOT_READ, name.id, tensor) if tensor else None


def _passed_over(module: Module, assignment: ast.stmt, call: ast.Call) -> str | None:
    """The tensor of the layer before, if nothing reads that."""
    match _neighbour(module, assignment, -1), call.args:
        case (
            ast.Assign(targets=[ast.Name(id=name) as target], value=ast.Call() as made),
            [ast.Name(id=given), *_],
        ) if name != given and not hints.is_put_aside(name):
            is_other = is_layer(module, made) and kind_applied(module, made) is None
            return name if is_other and reaches_nothing(module, target) else None
    return None


def _is_repeated(module: Module, assignment: ast.stmt) -> bool:
    """Whether the next statement gives the name another such result of the same."""
    match assignment, _neighbour(module, assignment, 1):
        case (
            ast.Assign(targets=[name], value=ast.Call(args=[given, *_])),
            ast.Assign(targets=[again], value=ast.Call(args=[same, *_]) as call),
        ):
            return (
                ast.dump(name) == ast.dump(again)
                and ast.dump(given) == ast.dump(same)
                and kind_applied(module, call) is not None
            )
    return False


def _neighbour(module: Module, statement: ast.stmt, distance: int) -> ast.stmt | None:
    """The statement so far after it in the same block, or before it."""
    block, place = _places_in(module, module.scopes.parents[statement])[statement]
    place += distance
    return block[place] if 0 <= place < len(block) else None


@remembered
def _places_in(
    _module: Module, around: ast.AST
) -> dict[ast.stmt, tuple[list[ast.stmt], int]]:
    """Where the statements of a block are in it."""
    return {
        statement: (block, place)
        for name in ("body", "orelse", "finalbody")
        for block in [getattr(around, name, None)]
        if isinstance(block, list)
        for place, statement in enumerate(block)
    }
