"""Rates that a call in inference sets on the instance, and nothing sets back."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.values import Class, parameters
from ..resolving.classes import keras_kind
from ..resolving.members import members
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_RATE = re.compile(r"drop|prob|rate|noise", re.IGNORECASE)


def kept_rates(module: Module) -> Iterator[ast.Assign]:
    """Yield each `if not training: self.options.rate = 0` in a `call` of Keras.

    Where no other method or branch sets it again, it stays for all calls that follow.
    """
    if not module.mentions("not training", "training is False", "training == False"):
        return
    for node in module.classes:
        call = members(module, node).methods.get("call")
        if (
            call is None
            or FLAG not in parameters(call)
            or keras_kind(Class(module, node)) is None
        ):
            continue
        for branch in ast.walk(call):
            if isinstance(branch, ast.If) and _is_inference(branch.test):
                for statement in branch.body:
                    if _sets_rate(statement) and _is_only_setter(node, statement):
                        yield statement  # type: ignore[misc]


def _is_inference(test: ast.expr) -> bool:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=name)):
            return name == FLAG
        case ast.Compare(
            left=ast.Name(id=name),
            ops=[ast.Is() | ast.Eq()],
            comparators=[ast.Constant(value=False)],
        ):
            return name == FLAG
    return False


def _sets_rate(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(
            targets=[ast.Attribute(attr=name) as target],
            value=ast.Constant(value=int() | float()),
        ):
            return _RATE.search(name) is not None and ast.unparse(target).startswith(
                "self."
            )
    return False


def _is_only_setter(owner: ast.ClassDef, setter: ast.AST) -> bool:
    """Whether nothing but it and the constructor sets that attribute."""
    assert isinstance(setter, ast.Assign)
    written = ast.unparse(setter.targets[0])
    return not any(
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node is not setter.targets[0]
        and ast.unparse(node) == written
        for method in owner.body
        if getattr(method, "name", "") not in ("__init__", "build")
        for node in ast.walk(method)
    )
