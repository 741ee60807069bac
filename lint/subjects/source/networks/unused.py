"""Batch normalization and dropout whose result reaches nothing."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.uses import is_read, is_read_after
from ..resolving.saying import FLAG, How, says
from .applied import is_layer, kind_applied, kind_made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Methods that call layers to build them.
_BUILDING = {"build", "_build", "__init__", "get_config", "compute_output_shape"}
_RAISING = "raises"


class Loss(Enum):
    """The way in which a result is lost."""

    NOT_ADDED = auto()  # a layer is made by a statement that does nothing with it
    NOT_CALLED = auto()  # a layer is made and kept under a name that nothing reads
    DROPPED = auto()  # a layer is called by such a statement
    NOT_READ = auto()  # its result gets a name that nothing reads
    PASSES_OVER = auto()  # it reads another tensor than the one just made
    NEVER_CALLED = auto()  # a class keeps a layer that none of its methods calls
    NOT_FED = auto()  # its result has a name that no layer is fed


@dataclass(frozen=True)
class Unused:
    """A layer, or its result, that nothing uses.

    Attributes:
        node: the call that makes or applies it, or the name of its result.
        kind: its kind.
        loss: the way in which it is lost.
        name: the name that nothing reads, if there is one.
        instead: the tensor that is read instead of it, or by it.
    """

    node: ast.expr
    kind: str
    loss: Loss
    name: str = ""
    instead: str = ""


def unused_results(module: Module) -> Iterator[Unused]:
    """Yield each layer of batch normalization or dropout without an effect."""
    if module.is_test or not mentions_layers(module):
        return
    for statement in module.scopes.of(ast.Expr):
        for call in _calls_of_statement(statement.value):
            if may_be_layer(call.func) and not _is_aside(module, statement):
                yield from _of_statement(module, statement, call)
    for assignment in module.scopes.of(ast.Assign):
        match assignment:
            case ast.Assign(targets=[ast.Name() as name], value=ast.Call() as call) if (
                may_be_layer(call.func)
                and not hints.is_put_aside(name.id)
                and not _is_aside(module, assignment)
            ):
                yield from _of_assignment(module, assignment, name, call)


def mentions_layers(module: Module) -> bool:
    """Whether the module may use batch normalization or dropout."""
    text = module.text
    found = names.mentions_batch_norm(text) or names.mentions_dropout(text)
    return found and (
        names.mentions_batch_norm(module.code) or names.mentions_dropout(module.code)
    )


def may_be_layer(called: ast.expr) -> bool:
    """Whether something written so may make a layer or be one; methods are not."""
    match called:
        case ast.Name() | ast.Call() | ast.Subscript():
            return True
        case ast.Attribute(value=ast.Name(id="self")):
            return True
        case ast.Attribute(attr=name):
            return hints.is_named_for_phase(name)
    return False


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
    if kind is None or _is_meant(module, call, kind):
        return
    for tensor in _read_on(module, statement, call):
        yield Unused(call, kind, Loss.DROPPED, "", tensor)
        return


def _of_assignment(
    module: Module, assignment: ast.Assign, name: ast.Name, call: ast.Call
) -> Iterator[Unused]:
    kind = kind_made(module, call)
    if kind is not None:
        if not is_read(module, name):
            yield Unused(call, kind, Loss.NOT_CALLED, name.id)
        return
    kind = kind_applied(module, call)
    if kind is None:
        return
    if is_read(module, name):
        for skipped in _passed_over(module, assignment, call):
            yield Unused(call, kind, Loss.PASSES_OVER, skipped, _text(call))
    elif not _is_meant(module, call, kind):
        for tensor in _read_on(module, assignment, call):
            yield Unused(call, kind, Loss.NOT_READ, name.id, tensor)
            return


def _read_on(module: Module, statement: ast.stmt, call: ast.Call) -> Iterator[str]:
    """The tensors that a call is given and that are read after it as they were."""
    for given in (*call.args, *(keyword.value for keyword in call.keywords)):
        for node in ast.walk(given):
            if (
                isinstance(node, ast.Name)
                and _is_tensor(module, node, call)
                and is_read_after(module, node, statement)
            ):
                yield node.id


def _is_tensor(module: Module, name: ast.Name, call: ast.Call) -> bool:
    """Whether a name within a call stands for what goes through the layers."""
    node: ast.AST = name
    for outer in module.scopes.ancestors(name):
        if isinstance(outer, ast.Call):
            first = [*outer.args[:1]] or [
                word.value for word in outer.keywords if word.arg in ("inputs", "x")
            ]
            if node not in first:
                return False
            if outer is call:
                return True
        elif not isinstance(outer, ast.List | ast.Tuple | ast.keyword):
            return False
        node = node if isinstance(outer, ast.keyword) else outer
    return False


def _is_meant(module: Module, call: ast.Call, kind: str) -> bool:
    """Whether it is called to build it, or to move its statistics.

    That is seen by `training=True`, or by what else is asked of the layer.
    """
    if kind != names.BATCH_NORM:
        return False
    said = says(module, call, name=FLAG)
    if said.how is How.CONSTANT and said.flag is True:
        return True
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _asked_for_more(module)
    return False


@remembered
def _asked_for_more(module: Module) -> frozenset[str]:
    """The last words of what other code asks something of: `bn.moving_mean`."""
    return frozenset(
        last_word(node.value)
        for node in module.scopes.of(ast.Attribute)
        if isinstance(node.value, ast.Name | ast.Attribute)
    )


def _passed_over(
    module: Module, assignment: ast.Assign, call: ast.Call
) -> Iterator[str]:
    """The tensor of the layer before, where nothing reads that."""
    before = _statement_before(module, assignment)
    match before, call.args:
        case (
            ast.Assign(targets=[ast.Name(id=name) as target], value=ast.Call() as made),
            [ast.Name(id=given), *_],
        ) if name != given and not hints.is_put_aside(name):
            is_other = is_layer(module, made) and kind_applied(module, made) is None
            if is_other and not is_read(module, target):
                yield name


def _statement_before(module: Module, statement: ast.stmt) -> ast.stmt | None:
    """The statement before it in the same block."""
    around = module.scopes.parents[statement]
    for block in ("body", "orelse", "finalbody"):
        found = getattr(around, block, None)
        if isinstance(found, list) and statement in found:
            place = found.index(statement)
            return found[place - 1] if place else None
    return None


def _text(call: ast.Call) -> str:
    return ast.unparse(call.args[0])
