"""Statements that freeze the layers of a loop which are BN, or free all others."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import Function, arguments_of, last_word
from ..reading.values import Routine
from ..resolving.resolve import values
from ..resolving.switches import constants_of
from ..statistics.conditions_on_layers import are_batch_norm, is_of_batch_norm

if TYPE_CHECKING:
    from ..reading.module import Module


def sorts_out(module: Module, body: list[ast.stmt], name: str) -> bool:
    """Whether BN, by itself, is frozen or is all that is not set free.

    A function that is called for each layer may do so.
    """
    match body:
        case [ast.Expr(value=ast.Call(func=ast.Name() as helper, args=[given]))] if (
            isinstance(given, ast.Name) and given.id == name
        ):
            return any(
                _sorts(value.module, _statements(value.node), layer.arg)
                for value in values(module, helper)
                if isinstance(value, Routine)
                for layer in arguments_of(value.node)[:1]
            )
    return _sorts(module, body, name)


def _statements(function: Function) -> list[ast.stmt]:
    """The body of a function without its docstring."""
    body = [] if isinstance(function, ast.Lambda) else function.body
    has_docstring = isinstance(function, ast.FunctionDef) and ast.get_docstring(
        function
    )
    return body[1:] if has_docstring else body


def _sorts(module: Module, body: list[ast.stmt], name: str) -> bool:
    if len(body) > 1 and sets(module, body[0], name, True):
        body = body[1:]  # all are set free, and then BN is frozen
    match body:
        case [
            ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=layer), attr="trainable")],
                value=ast.UnaryOp(op=ast.Not(), operand=test),
            )
        ]:
            return layer == name and is_of_batch_norm(module, test, name)
        case [ast.If(test=test, body=[ast.Continue()], orelse=[]), rest]:
            return _branches(module, test, [], [rest], name)
        case [ast.If(test=test, body=yes, orelse=no)]:
            return _branches(module, test, yes, no, name)
    return False


def sorted_by_index(module: Module, loop: ast.For) -> ast.expr | None:
    """The `model` of `for i in range(len(model.layers))`, where it freezes BN alone.

    Or of `for i, layer in enumerate(model.layers)`, with `model.layers[i]` inside.
    """
    match loop:
        case (
            ast.For(
                target=ast.Name(id=index),
                iter=ast.Call(
                    func=ast.Name(id="range"),
                    args=[
                        ast.Call(
                            func=ast.Name(id="len"),
                            args=[ast.Attribute(value=network, attr="layers")],
                        )
                    ],
                ),
            )
            | ast.For(
                target=ast.Tuple(elts=[ast.Name(id=index), _]),
                iter=ast.Call(
                    func=ast.Name(id="enumerate"),
                    args=[ast.Attribute(value=network, attr="layers")],
                ),
            )
        ):
            by_index = f"{ast.unparse(network)}.layers[{index}]"
            same = {by_index}
            if isinstance(loop.target, ast.Tuple):
                same.add(ast.unparse(loop.target.elts[1]))
            return network if _freezes_norms(module, loop.body, same) else None
    return None


def _freezes_norms(module: Module, body: list[ast.stmt], same: set[str]) -> bool:
    """Whether a layer, by one of its names, is frozen if it is BN."""
    match body:
        case [
            ast.If(
                test=ast.Call(func=ast.Name(id="isinstance"), args=[one, kinds]),
                body=[
                    ast.Assign(
                        targets=[ast.Attribute(value=other, attr="trainable")],
                        value=ast.Constant(value=False),
                    )
                ],
                orelse=[],
            )
        ]:
            named = {ast.unparse(one), ast.unparse(other)}
            return named <= same and are_batch_norm(module, kinds)
    return False


def leaves_out(module: Module, body: list[ast.stmt], name: str) -> bool:
    """Whether all is frozen but BN."""
    match body:
        case [ast.If(test=test, body=[ast.Continue()], orelse=[]), rest]:
            return is_of_batch_norm(module, test, name) and sets(
                module, rest, name, False
            )
        case [ast.If(test=test, body=yes, orelse=no)]:
            match test:
                case ast.UnaryOp(op=ast.Not(), operand=inner):
                    test, yes, no = inner, no, yes
            kept = not yes or _only(module, yes, name, True)
            frozen = _only(module, no, name, False)
            return kept and frozen and is_of_batch_norm(module, test, name)
    return False


def _branches(
    module: Module, test: ast.expr, yes: list[ast.stmt], no: list[ast.stmt], name: str
) -> bool:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            test, yes, no = inner, no, yes
    frozen = not yes or _only(module, yes, name, False)
    freed = not no or _only(module, no, name, True)
    return frozen and freed and is_of_batch_norm(module, test, name)


def _only(module: Module, statements: list[ast.stmt], name: str, value: bool) -> bool:
    """Whether `trainable` is set so; what is shown or counted does not matter."""
    doing = [statement for statement in statements if not _shows(statement)]
    return len(doing) == 1 and sets(module, doing[0], name, value)


def _shows(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=function)):
            return last_word(function) in ("print", "info", "debug", "append")
        case ast.AugAssign(target=ast.Name()):
            return True
    return False


def sets(module: Module, statement: ast.stmt, name: str, value: bool) -> bool:
    """Whether it is `name.trainable = value`, or `setattr` says so.

    A parameter that some caller passes False freezes; it frees only if all pass True.
    """
    match statement:
        case (
            ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=layer), attr="trainable")],
                value=given,
            )
            | ast.Expr(
                value=ast.Call(
                    func=ast.Name(id="setattr"),
                    args=[ast.Name(id=layer), ast.Constant(value="trainable"), given],
                )
            )
        ) if layer == name:
            flags = _flags(module, given)
            return _may_be_false(flags) if value is False else flags == [True]
    return False


def frees(module: Module, loop: ast.AST) -> bool:
    """Whether a loop sets the layers that it does not freeze free."""
    return any(
        isinstance(node, ast.Assign) and not _may_be_false(_flags(module, node.value))
        for node in ast.walk(loop)
    )


def _flags(module: Module, given: ast.expr) -> list[object]:
    """The constants that are set, those that callers pass among them."""
    named = isinstance(given, ast.Constant | ast.Name)
    return constants_of(module, given) if named else []


def _may_be_false(flags: list[object]) -> bool:
    return any(flag is False for flag in flags)
