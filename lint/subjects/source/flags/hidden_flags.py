"""Phases that a `call` leaves in its `**kwargs`, to which Keras 3 passes none."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ....semantics import CALL_NEEDS_TRAINING
from ..reading.keras_versions import keras_for
from ..resolving.classes import reached
from ..resolving.lineage import method_of
from ..resolving.members import attribute_of_self, self_name

if TYPE_CHECKING:
    from ..reading.nodes import Function
    from ..reading.values import Class, Routine


def hides_flag(cls: Class) -> bool:
    """Whether `**kwargs` hide the phase: Keras 3 passes it to a named parameter alone.

    It is read from them by its name, or they are passed on to sublayers or to a method
    that only subclasses define.
    """
    call = method_of(cls, "call")
    if call is None or call.node.args.kwarg is None:
        return False
    return keras_for(cls.module).has(CALL_NEEDS_TRAINING) and any(
        _reads_flag(node, routine.node.args.kwarg.arg)
        or _passes_to_sublayer(cls, node, routine)
        for routine in reached(cls, "call")
        if routine.node.args.kwarg is not None
        for node in ast.walk(routine.node)
    )


def _reads_flag(node: ast.AST, packed: str) -> bool:
    """Whether it is `packed["training"]`, or `packed.get("training")`."""
    match node:
        case ast.Subscript(value=ast.Name(name), slice=ast.Constant("training")):
            return name == packed
        case ast.Call(
            func=ast.Attribute(value=ast.Name(name), attr="get" | "pop"),
            args=[ast.Constant("training"), *_],
        ):
            return name == packed
    return False


def _passes_to_sublayer(cls: Class, node: ast.AST, routine: Routine) -> bool:
    """Whether it passes the method's `**kwargs` to what is likely a layer.

    That is an attribute that is no method, or what a loop runs through. A method that
    is left to subclasses may do so.
    """
    packed = routine.node.args.kwarg
    if (
        packed is None
        or not isinstance(node, ast.Call)
        or not any(
            word.arg is None
            and isinstance(word.value, ast.Name)
            and word.value.id == packed.arg
            for word in node.keywords
        )
    ):
        return False
    if isinstance(node.func, ast.Name):
        return routine.module.scopes.loop_of(node.func) is not None
    name = attribute_of_self(node.func, self_name(routine.node))
    if name is None:
        return False
    method = method_of(cls, name)
    return method is None or _is_abstract(method.node)


def _is_abstract(function: Function) -> bool:
    """Whether it takes `**kwargs`, and only raises `NotImplementedError`."""
    match [node for node in getattr(function, "body", []) if not _is_text(node)]:
        case [ast.Raise(exc=ast.expr() as error)]:
            named = "NotImplementedError" in ast.unparse(error)
            return named and function.args.kwarg is not None
    return False


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
