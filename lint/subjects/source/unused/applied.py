"""Calls that make a layer of batch normalization or dropout, and calls that apply one.

A layer of the project counts if it extends one of Keras', or if it holds one and has a
name that says so. A function counts if it returns what such a layer gives it, does
nothing else, and has such a name.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.limits import LAYERS_INSIDE
from ..reading.memo import remembered, remembered_of_class
from ..reading.nodes import last_word, nodes_in
from ..reading.values import Class, Known, Partial, Result, Routine
from ..resolving.classes import calls_in, keras_kind
from ..resolving.lineage import lineage, method_of
from ..resolving.members import returns_of
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value

_WANTED = (names.BATCH_NORM, names.DROPOUT, names.NOISE)
_OWN_LAYERS = {"tensorflow.layers.Dropout": names.DROPOUT}
_FUNCTIONS = (
    dict.fromkeys(names.BATCH_NORM_FUNCTIONS, names.BATCH_NORM)
    | dict.fromkeys(names.DROPOUT_FUNCTIONS, names.DROPOUT)
    | {
        "tensorflow.nn.dropout": names.DROPOUT,
        "tensorflow.nn.batch_normalization": names.BATCH_NORM,
        "keras.backend.dropout": names.DROPOUT,
        "keras.backend.batch_normalization": names.BATCH_NORM,
        "keras.random.dropout": names.DROPOUT,
        "keras.ops.batch_normalization": names.BATCH_NORM,
    }
)
_TENSOR_FUNCTIONS = (
    *("tensorflow.layers.", "contrib.layers.", "slim.", "tensorflow.nn."),
    *("keras.activations.", "keras.ops."),
)
_SMALL = re.compile(
    r"\.[^.]*(activation|relu|elu|gelu|swish|tanh|sigmoid|norm|dropout|pool)[^.]*$",
    re.I,
)
# Calls in a function that only computes, as statements.
_IDLE = {"print", "super", "__init__", "info", "debug", "warning", "assert_rank"}


def kind_made(module: Module, call: ast.Call) -> str | None:
    """The kind of the layer that a call makes; None if it is of no kind in question."""
    return _first(_kind_of(value) for value in values(module, call.func))


def kind_applied(module: Module, call: ast.Call, depth: int = 0) -> str | None:
    """The kind of layer or function whose result a call is."""
    return _first(
        _kind_when_called(value, depth) for value in values(module, call.func)
    )


def is_layer(module: Module, call: ast.Call) -> bool:
    """Whether a call surely applies a layer of Keras or of TensorFlow 1."""
    return any(map(_gives_tensor, values(module, call.func)))


def is_small(module: Module, call: ast.Call) -> bool:
    """Whether a call applies a layer or function that learns no kernel."""
    return is_layer(module, call) and any(
        isinstance(maker, Known) and _SMALL.search(maker.name) is not None
        for value in values(module, call.func)
        for maker in [value.maker if isinstance(value, Result) else value]
    )


def _first(kinds: Iterable[str | None]) -> str | None:
    return next((kind for kind in kinds if kind is not None), None)


def _kind_of(layer: Value) -> str | None:
    """The kind of the instances of a class."""
    match layer:
        case Known(name) if name in _OWN_LAYERS:
            return _OWN_LAYERS[name]
        case Known(name) if not names.is_application(name) and name not in _FUNCTIONS:
            return _wanted(names.kinds_named(name))
        case Class():
            return _kind_of_class(layer)
        case Partial(function=inner):
            return _kind_of(inner)
    return None


def _wanted(kinds: Iterable[str]) -> str | None:
    found = set(kinds)
    return next((kind for kind in _WANTED if kind in found), None)


@remembered_of_class
def _kind_of_class(cls: Class) -> str | None:
    found = _first(_kind_of(base) for base in lineage(cls) if isinstance(base, Known))
    is_named = keras_kind(cls) == "layer" and hints.is_named_for_phase(cls.node.name)
    return found or (_wanted(_kinds_inside(cls)) if is_named else None)


def _kinds_inside(cls: Class) -> Iterator[str]:
    """The kinds of Keras' own layers that a layer makes, or functions that it calls."""
    for name in ("__init__", "build", "call"):
        routine = method_of(cls, name)
        if routine is None:
            continue
        for call in calls_in(routine.module, routine.node):
            for value in values(routine.module, call.func):
                if isinstance(value, Known):
                    kind = _kind_of(value) or _FUNCTIONS.get(value.name)
                    yield from [kind] if kind else []


def _kind_when_called(function: Value, depth: int) -> str | None:
    match function:
        case Known(name) if name.endswith(".DropoutWrapper"):
            return names.DROPOUT  # of a recurrent cell
        case Known(name):
            return _FUNCTIONS.get(name)
        case Result(maker=maker):
            return _kind_of(maker) or _kind_of_call(maker, depth)
        case Partial(function=inner):
            return _kind_when_called(inner, depth)
        case Routine(module=module, node=ast.FunctionDef(name=name) as node) if (
            depth < LAYERS_INSIDE
            and (name == "__call__" or hints.is_named_for_phase(name))
        ):
            return _kind_returned(module, node, depth + 1)
    return None


def _kind_of_call(maker: Known | Class, depth: int) -> str | None:
    """The kind by the `__call__` of a class that is no layer of Keras."""
    if not isinstance(maker, Class) or not hints.is_named_for_phase(maker.node.name):
        return None
    routine = method_of(maker, "__call__")
    return None if routine is None else _kind_when_called(routine, depth)


@remembered
def _kind_returned(module: Module, function: Function, depth: int) -> str | None:
    """The kind that gives a function its result, if it has no other effect."""
    if isinstance(function, ast.AsyncFunctionDef) or not _only_computes(
        module, function
    ):
        return None
    found = {
        _kind_of_tensor(module, expression, depth)
        for expression in returns_of(module, function)
    }
    return _wanted(kind for kind in found if kind is not None)


@remembered
def _only_computes(_module: Module, function: Function) -> bool:
    """Whether a function sets nothing but its own names, and calls nothing in vain."""
    for node in nodes_in(function):
        match node:
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                return False
            case ast.Global() | ast.Nonlocal() | ast.Yield() | ast.YieldFrom():
                return False
            case ast.Expr(value=ast.Call(func=called)) if (
                last_word(called) not in _IDLE
            ):
                return False
    return True


def _kind_of_tensor(module: Module, tensor: ast.expr, depth: int) -> str | None:
    """The kind of layer that a tensor comes from, also through other layers."""
    match tensor:
        case ast.Call():
            kind = kind_applied(module, tensor, depth)
            if kind is None and tensor.args and is_layer(module, tensor):
                return _kind_of_tensor(module, tensor.args[0], depth)
            return kind
        case ast.Name() if depth < 2 * LAYERS_INSIDE:
            found = module.scopes.lookup(tensor)
            return _first(
                _kind_of_tensor(module, binding.node, depth + 1)
                for binding in (found[1] if found else ())
                if isinstance(binding.node, ast.expr)
            )
    return None


def _gives_tensor(function: Value) -> bool:
    match function:
        case Known(name):
            return name in _FUNCTIONS or (
                name.startswith(_TENSOR_FUNCTIONS)
                and not name.rpartition(".")[2][:1].isupper()
            )
        case Result(maker=Known(name)):
            return name.startswith(("keras.layers.", "tensorflow.layers."))
        case Result(maker=Class() as cls):
            return keras_kind(cls) == "layer"
    return False
