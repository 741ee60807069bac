"""BN that a `call` of Keras runs in training alone, and leaves out in inference."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.contents import kinds_held
from ..reading.values import Class, parameters
from ..resolving.classes import calls_in, keras_kind, reached
from ..resolving.saying import FLAG
from ..statistics.batch_norm_calls import is_batch_norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function


def left_out_in_inference(module: Module) -> Iterator[ast.Call]:
    """Yield each `if training: x = self.bn(x)` that nothing stands in for.

    In inference, what follows gets an input that is not normalized.
    """
    if not module.mentions(f"if {FLAG}", f"{FLAG} and", f"and {FLAG}"):
        return
    if not module.mentions("BatchNorm") or module.is_test:
        return
    for node in module.classes:
        cls = Class(module, node)
        if keras_kind(cls) is None:
            continue
        for routine in reached(cls, "call"):
            if routine.module is module and FLAG in parameters(routine.node):
                yield from _left_out(module, routine.node)


def _left_out(module: Module, function: Function) -> Iterator[ast.Call]:
    calls = calls_in(module, function)
    for call in calls:
        if (
            len(call.args) == 1
            and _is_only_in_training(module, call)
            and is_batch_norm(module, call)
            and kinds_held(module, call.func)
        ):
            called = ast.unparse(call.func)
            if not any(
                other is not call and ast.unparse(other.func) == called
                for other in calls
            ):
                yield call


def _is_only_in_training(module: Module, call: ast.Call) -> bool:
    """Whether its input goes on as it is where `training` is not true."""
    around = module.scopes.parents.get(call)
    given = ast.unparse(call.args[0])
    match around:
        case ast.IfExp(test=test, body=body, orelse=other):
            return body is call and _asks(test) and ast.unparse(other) == given
        case ast.Assign(targets=[target]) if ast.unparse(target) == given:
            match module.scopes.parents.get(around):
                case ast.If(test=test, orelse=[]):
                    return _asks(test)
    return False


def _asks(test: ast.expr) -> bool:
    """Whether it only holds in training, whatever else it asks for."""
    match test:
        case ast.Name(id=name):
            return name == FLAG
        case ast.Compare(
            left=ast.Name(id=name),
            ops=[ast.Eq() | ast.Is()],
            comparators=[ast.Constant(value=True)],
        ):
            return name == FLAG
        case ast.BoolOp(op=ast.And(), values=parts):
            return any(map(_asks, parts))
    return False
