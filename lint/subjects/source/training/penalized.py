"""Signs that the size of a gradient is penalized, and that a network is trained."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import last_word
from ..resolving.callers import handed_in
from .applying import trains_somewhere

if TYPE_CHECKING:
    from ..reading.module import Module

_NORMS = ("norm", "sqrt", "square", "reduce_euclidean_norm", "l2_loss")


def is_one_away(module: Module, gradient: ast.Call) -> bool:
    """Whether its size is calculated where something is compared with 1."""
    scope = module.scopes.scope_of(gradient)
    return is_measured(module, gradient) and any(
        isinstance(node.op, ast.Sub)
        and any(
            isinstance(side, ast.Constant) and side.value == 1
            for side in (node.left, node.right)
        )
        and module.scopes.scope_of(node) is scope
        for node in module.scopes.of(ast.BinOp)
    )


def is_measured(module: Module, gradient: ast.Call) -> bool:
    """Whether the size of gradients is calculated, of their own or of a name's."""
    parent = module.scopes.parents.get(gradient)
    if isinstance(parent, ast.Subscript):  # tape.gradient(score, [x])[0]
        parent = module.scopes.parents.get(parent)
    name = ""
    match parent:
        case ast.Assign(targets=[ast.Name(id=str() as one)]):
            name = one
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=str() as one)])]):
            name = one  # (slope,) = tape.gradient(score, [x])
    scope = module.scopes.scope_of(gradient)
    return any(
        is_size(node)
        and module.scopes.scope_of(node) is scope
        and any(
            inner is gradient or (isinstance(inner, ast.Name) and inner.id == name)
            for inner in ast.walk(node)
        )
        for node in module.scopes.of(ast.Call, ast.BinOp)
    )


def is_size(node: ast.AST) -> bool:
    """Whether it calculates a size, such as a norm or a square."""
    match node:
        case ast.Call(func=function):
            return last_word(function) in _NORMS
        case ast.BinOp(op=ast.Pow()):
            return True
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return ast.unparse(left) == ast.unparse(right)
    return False


def given_to(call: ast.Call) -> set[str]:
    """Return a call's arguments, as written, and the items of a list in first place."""
    given = {ast.unparse(argument) for argument in call.args}
    for part in call.args[:1]:
        if isinstance(part, ast.List | ast.Tuple):
            given |= {ast.unparse(element) for element in part.elts}
    return given


def is_trained_with_batch_norm(module: Module, network: ast.expr) -> bool:
    """Whether it holds BN, here or where it is passed in, and gradients are applied."""
    return any(
        names.BATCH_NORM in kinds_held(where, known)
        and any(map(trains_somewhere, {module, where}))
        for where, known in ((module, network), *handed_in(module, network))
    )
