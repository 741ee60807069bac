"""Batch normalization and dropout whose result is dropped, or gets a name in vain."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.memo import remembered
from ..reading.uses import is_read
from .applied import is_layer, kind_applied, kind_made
from .unused import (
    Loss,
    Unused,
    is_meant,
    may_be_layer,
    mentions_layers,
    reaches_nothing,
    read_on,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Methods that call layers to build them.
_BUILDING = {"build", "_build", "__init__", "get_config", "compute_output_shape"}
_RAISING = "raises"
# Calls by which a script makes or trains a network.
_NETWORKS = ("Sequential", "Model", "compile", "fit", "train_on_batch", "minimize")


def unused_results(module: Module) -> Iterator[Unused]:
    """Yield each layer of batch normalization or dropout without an effect."""
    if module.is_test or not mentions_layers(module):
        return
    for statement in module.scopes.of(ast.Expr):
        for call in _calls_of_statement(statement.value):
            if may_be_layer(call.func) and not _is_aside(module, statement):
                yield from _of_statement(module, statement, call)
    for assignment in (*module.scopes.of(ast.Assign), *module.scopes.of(ast.AnnAssign)):
        match assignment:
            case (
                ast.Assign(targets=[ast.Name() as name], value=ast.Call() as call)
                | ast.AnnAssign(target=ast.Name() as name, value=ast.Call() as call)
            ) if (
                may_be_layer(call.func)
                and not hints.is_put_aside(name.id)
                and not _is_aside(module, assignment)
            ):
                yield from _of_assignment(module, assignment, name, call)


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


def _is_aside(module: Module, statement: ast.stmt) -> bool:
    """Whether code only tries a layer: a test, a demonstration, what a cell shows."""
    if any(map(hints.is_test, module.scopes.names_around(statement))):
        return True
    for outer in module.scopes.ancestors(statement):
        match outer:
            case ast.FunctionDef(name=name) if name in _BUILDING:
                return True
            case ast.If(test=test) if "__main__" in ast.unparse(test):
                return True
            case ast.With(items=items) if any(
                _RAISING in ast.unparse(item.context_expr).lower() for item in items
            ):
                return True
    return isinstance(statement, ast.Expr) and _is_shown(module, statement)


def _is_shown(module: Module, statement: ast.stmt) -> bool:
    """Whether a statement is the last of a notebook's cell."""
    return statement in _last_of_cells(module)


@remembered
def _last_of_cells(module: Module) -> frozenset[ast.stmt]:
    last = {
        module.location(statement).cell: statement
        for statement in (module.tree.body if module.cells else ())
    }
    return frozenset(last.values())


def _of_statement(
    module: Module, statement: ast.Expr, call: ast.Call
) -> Iterator[Unused]:
    kind = kind_made(module, call)
    if kind is not None:
        yield Unused(call, kind, Loss.NOT_ADDED)
        return
    kind = kind_applied(module, call)
    if kind is None or is_meant(module, call, kind):
        return
    for tensor in read_on(module, statement, call):
        yield Unused(call, kind, Loss.DROPPED, "", tensor)
        return


def _of_assignment(
    module: Module, assignment: ast.stmt, name: ast.Name, call: ast.Call
) -> Iterator[Unused]:
    kind = kind_made(module, call)
    if kind is not None:
        if not (is_read(module, name) or _is_by_itself(module, name)):
            yield Unused(call, kind, Loss.NOT_CALLED, name.id)
        return
    kind = kind_applied(module, call)
    if kind is None:
        return
    if not reaches_nothing(module, name):
        for skipped in _passed_over(module, assignment, call):
            yield Unused(call, kind, Loss.PASSES_OVER, skipped, _text(call))
    elif not is_meant(module, call, kind) and not _is_repeated(module, assignment):
        for tensor in read_on(module, assignment, call):
            yield Unused(call, kind, Loss.NOT_READ, name.id, tensor)
            return


def _is_by_itself(module: Module, name: ast.Name) -> bool:
    """Whether a layer is made where no network is, or in a notebook, to try it."""
    if module.scopes.scope_of(name) is not module.scopes.top:
        return False
    return bool(module.cells) or not any(
        word in module.calls_by_name for word in _NETWORKS
    )


def _passed_over(module: Module, assignment: ast.stmt, call: ast.Call) -> Iterator[str]:
    """The tensor of the layer before, where nothing reads that."""
    before = _neighbour(module, assignment, -1)
    match before, call.args:
        case (
            ast.Assign(targets=[ast.Name(id=name) as target], value=ast.Call() as made),
            [ast.Name(id=given), *_],
        ) if name != given and not hints.is_put_aside(name):
            is_other = is_layer(module, made) and kind_applied(module, made) is None
            if is_other and reaches_nothing(module, target):
                yield name


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
    around = module.scopes.parents[statement]
    for name in ("body", "orelse", "finalbody"):
        block = getattr(around, name, None)
        if isinstance(block, list) and statement in block:
            place = block.index(statement) + distance
            return block[place] if 0 <= place < len(block) else None
    return None


def _text(call: ast.Call) -> str:
    return ast.unparse(call.args[0])
