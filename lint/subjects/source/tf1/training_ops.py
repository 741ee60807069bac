"""The ops that optimizers of TensorFlow 1 train with."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.values import Class, Items, Known, Parameter, Result, dict_entries
from ..resolving.classes import keyword
from ..resolving.lineage import lineage
from ..resolving.resolve import values
from ..resolving.saying import local_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_TRAINING = ("minimize", "apply_gradients")
_OPTIMIZER = re.compile(r"(tensorflow\.train|contrib\.opt)\.\w*Optimizer\w*$")


def training_ops(module: Module) -> Iterator[ast.Call]:
    """Yield each call that makes the training op of a TensorFlow 1 optimizer."""
    for word in _TRAINING:
        for call in module.calls_by_name.get(word, ()):
            if call.args and isinstance(call.args[0], ast.Lambda):
                continue  # TensorFlow 2
            if isinstance(call.func, ast.Attribute) and (
                any(map(_is_optimizer, values(module, call.func.value)))
                or _is_chosen(module, call.func.value)
                or _is_handed_in(module, call)
            ):
                yield call


def _is_optimizer(value: Value) -> bool:
    """Whether it is one of TensorFlow 1, extends one, or is around one."""
    match value:
        case Result(maker=Known(name)) if _OPTIMIZER.match(name):
            return True
        case Result(maker=Class() as cls):
            return any(
                isinstance(base, Known) and _OPTIMIZER.match(base.name)
                for base in lineage(cls)
            )
        case Result(maker=Known(name), module=module, call=call) if (
            name.endswith("Optimizer") and call.args
        ):
            return any(
                isinstance(inner, Result)
                and inner.call is not call
                and _is_optimizer(inner)
                for inner in values(module, call.args[0])
            )
    return False


def _is_handed_in(module: Module, call: ast.Call) -> bool:
    """Whether it is known by its argument alone, as one of `params` of an Estimator."""
    assert isinstance(call.func, ast.Attribute)
    return keyword(call, "global_step") is not None and all(
        isinstance(value, Parameter) for value in values(module, call.func.value)
    )


def _is_chosen(module: Module, optimizer: ast.expr) -> bool:
    """Whether its class is picked from a table, or by its name from `tf.train`."""
    match local_value(module, optimizer):
        case ast.Call(func=ast.Subscript(value=table)):
            entries = [
                (each.module, entry)
                for each in values(module, table)
                if isinstance(each, Items)
                for entry in dict_entries(each).values()
            ]
            return any(
                isinstance(value, Known) and _OPTIMIZER.match(value.name) is not None
                for where, entry in entries
                for value in values(where, entry)
            )
        case ast.Call(
            func=ast.Call(func=ast.Name(id="getattr"), args=[package, name, *_])
        ):
            return Known("tensorflow.train") in values(
                module, package
            ) and "Optimizer" in ast.unparse(name)
    return False
