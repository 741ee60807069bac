"""Batch normalization that is made anew at each call, and so keeps nothing."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.memo import found_once, remembered
from ..reading.nodes import Function, last_word
from ..reading.reach import may_reach
from ..reading.signs import Sign
from ..reading.values import Class, Known, Result, Routine, Value
from ..resolving.callers import all_calls
from ..resolving.classes import keras_kind, reached
from ..resolving.resolve import values
from ..resolving.symbolic import builds_graph
from ..statistics.batch_norms import batch_norm_name
from ..training.tapes import TAPE, stands_in_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# What a graph starts from, of Keras or of TensorFlow 1.
_GRAPHS = Sign(
    "Input( | placeholder( | Session( | get_variable( | make_template( | .input"
    " | .output | Estimator | compat.v1 | tf.contrib",
    r"""\b(?:Input|placeholder|Session|get_variable|make_template)\(|\.(?:in|out)puts?\b
    |Estimator|compat\.v1|tf\.contrib""",
)
_OF_GRAPHS = Sign(
    "placeholder( | Session( | get_variable( | tf.contrib",
    r"\b(?:placeholder|Session|get_variable)\(|tf\.contrib",
)
_ONCE = ("__init__", "build")
_CALLS = ("call", "__call__")


@found_once
def fresh_batch_norms(module: Module) -> Iterator[ast.Call]:
    """Yield each call of BN that was made for it: `BatchNormalization()(x)`.

    That is right where a graph is built, once. It is reported in the `call` of a Keras
    class, under a tape, and in a project that trains by tapes and builds no graph.
    """
    if module.matches(_OF_GRAPHS) or not may_reach(module, names.mentions_batch_norm):
        return
    for made in module.calls:
        call = _called_at_once(module, made)
        function = None if call is None else module.scopes.enclosing_function(call)
        if (
            call is not None
            and isinstance(function, ast.FunctionDef)
            and function.name not in _ONCE
            and any(
                _is_batch_norm(value) and _is_made_by(module, made, value)
                for value in values(module, call.func)
            )
            and not builds_graph(module, call, is_layer=False)
            and not any(map(hints.is_test, module.scopes.names_around(call)))
            and _runs_each_time(module, call, function)
        ):
            yield call


def _called_at_once(module: Module, made: ast.Call) -> ast.Call | None:
    """The call of a new layer, in the same expression or function."""
    match module.scopes.parents.get(made):
        case ast.Call() as call if call.func is made:
            return call if call.args else None
        case ast.Assign(targets=[ast.Name(id=name)]) if "orm" in last_word(made.func):
            function = module.scopes.enclosing_function(made)
            for call in module.calls_by_name.get(name, ()):
                if (
                    isinstance(call.func, ast.Name)
                    and call.args
                    and module.scopes.enclosing_function(call) is function
                ):
                    return call
    return None


def _is_made_by(module: Module, made: ast.Call, layer: Value) -> bool:
    """Whether a call makes a layer, or gets one that was made before.

    `getattr(self, name)` and `self.norm_of(stage)` get one.
    """
    assert isinstance(layer, Result)
    around = layer.module.scopes.enclosing_function(layer.call)
    return layer.call is made or any(
        isinstance(maker, Routine) and maker.node is around
        for maker in values(module, made.func)
    )


def _is_batch_norm(value: Value) -> bool:
    return (
        isinstance(value, Result)
        and not (isinstance(value.maker, Known) and "keras" not in value.maker.name)
        and batch_norm_name(value.maker) is not None
    )


def _runs_each_time(module: Module, call: ast.Call, function: Function) -> bool:
    """Whether the function is surely run at each step, not to build a graph."""
    if _is_run_by_call(module, function):
        return True
    if stands_in_tape(module, call) or _is_eager(module):
        return True
    return any(
        stands_in_tape(where, one) or _stands_in_call(where, one)
        for where, one, _ in all_calls(module, function)
    )


def _stands_in_call(module: Module, call: ast.Call) -> bool:
    function = module.scopes.enclosing_function(call)
    return function is not None and _is_run_by_call(module, function)


def _is_run_by_call(module: Module, function: Function) -> bool:
    """Whether it is a method that the `call` of a Keras class runs, or that itself."""
    owner = module.owner_of(function)
    if owner is None or keras_kind(Class(module, owner)) is None:
        return False
    ways = (one.node for name in _CALLS for one in reached(Class(module, owner), name))
    return function in ways


@remembered
def _is_eager(module: Module) -> bool:
    """Whether the project has a tape and nothing that a graph could start from."""
    texts = module.project.texts.by_path.values()
    return any(TAPE in text for text in texts) and not any(map(_GRAPHS.search, texts))
