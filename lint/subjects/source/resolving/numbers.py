"""Numbers that the source gives, directly or by calculation, and lengths of data."""

from __future__ import annotations

import ast
import operator
from math import ceil, floor
from typing import TYPE_CHECKING, TypeVar

from ..reading.bindings import Kind
from ..reading.limits import CALCULATIONS, LARGEST_NUMBER
from ..reading.values import Known, Literal, is_number
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..reading.bindings import Binding
    from ..reading.module import Module

Answer = TypeVar("Answer", int, float)

_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_ROUNDING: dict[str, Callable[[float], float]] = {
    "int": int,
    "round": round,
    "math.ceil": ceil,
    "numpy.ceil": ceil,
    "math.floor": floor,
    "numpy.floor": floor,
}
# The number of training samples of these data sets.
_LENGTHS = {
    "keras.datasets.mnist.load_data": 60_000,
    "keras.datasets.fashion_mnist.load_data": 60_000,
    "keras.datasets.cifar10.load_data": 50_000,
    "keras.datasets.cifar100.load_data": 50_000,
}
# Calls that keep the first dimension of an array.
_METHODS = {"astype", "copy"}
_FUNCTIONS = {
    *("numpy.array", "numpy.asarray", "numpy.expand_dims", "tensorflow.cast"),
    *("tensorflow.expand_dims", "tensorflow.image.resize", "keras.ops.expand_dims"),
    *("keras.utils.normalize", "keras.utils.to_categorical"),
}


def number(module: Module, expression: ast.expr, depth: int = 0) -> float | None:
    """The number that an expression surely is; None where that is not known."""
    found = _once(_number, module, expression, depth)
    return found if found is not None and abs(found) < LARGEST_NUMBER else None


def length_of(module: Module, data: ast.expr, depth: int = 0) -> int | None:
    """Return the most samples an array may have; None if not known."""
    return _once(_length, module, data, depth)


def _once(
    question: Callable[[Module, ast.expr, int], Answer | None],
    module: Module,
    expression: ast.expr,
    depth: int,
) -> Answer | None:
    """The answer, searched for once; None if it leads back to itself, or too far."""
    key = question, expression
    if key not in module.answers:
        module.answers[key] = None
        if depth < CALCULATIONS:
            module.answers[key] = question(module, expression, depth)
    answer: Answer | None = module.answers[key]
    return answer


def _number(module: Module, expression: ast.expr, depth: int) -> float | None:
    match expression:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            one, other = (number(module, side, depth + 1) for side in (left, right))
            if one is None or other is None:
                return None
            try:
                return _OPERATIONS[type(op)](one, other)
            except ZeroDivisionError:
                return None
        case ast.Call(args=[argument], keywords=[]):
            return _of_call(module, expression, argument, depth)
        case ast.Subscript(
            value=ast.Attribute(value=data, attr="shape"), slice=ast.Constant(value=0)
        ):
            return length_of(module, data, depth + 1)
        case ast.Name():
            binding = _only_value(module, expression)
            if binding is not None:
                return number(module, binding, depth + 1)
    match values(module, expression):
        case (Literal(value=int() | float() as constant),) if is_number(constant):
            return constant
    return None


def _of_call(
    module: Module, call: ast.Call, argument: ast.expr, depth: int
) -> float | None:
    match values(module, call.func):
        case (Known("len"),):
            return length_of(module, argument, depth + 1)
        case (Known(name),) if name in _ROUNDING:
            given = number(module, argument, depth + 1)
            return None if given is None else _ROUNDING[name](given)
    return None


def _only_value(module: Module, name: ast.Name) -> ast.expr | None:
    """The expression that a name stands for, if there is only one."""
    match module.scopes.lookup(name):
        case _, [binding] if binding.kind is Kind.VALUE:
            return binding.node if isinstance(binding.node, ast.expr) else None
    return None


def _length(module: Module, data: ast.expr, depth: int) -> int | None:
    match data:
        case ast.Name():
            found = module.scopes.lookup(data)
            lengths = [
                _bound_length(module, data.id, entry, depth)
                for entry in (found[1] if found is not None else ())
            ]
            known = [length for length in lengths if length is not None]
            return max(known) if known and len(known) == len(lengths) else None
        case ast.BinOp(left=left, right=ast.Constant()):
            return length_of(module, left, depth + 1)
        case ast.Call(func=ast.Attribute(value=base, attr=name)) if name in _METHODS:
            return length_of(module, base, depth + 1)
        case ast.Call(args=[first, *_]):
            called = values(module, data.func)
            keeps = any(isinstance(call, Known) for call in called) and all(
                isinstance(call, Known) and call.name in _FUNCTIONS for call in called
            )
            return length_of(module, first, depth + 1) if keeps else None
    return None


def _bound_length(
    module: Module, name: str, binding: Binding, depth: int
) -> int | None:
    if binding.kind is Kind.VALUE and isinstance(binding.node, ast.expr):
        return length_of(module, binding.node, depth + 1)
    if binding.kind is not Kind.ITEM or not isinstance(binding.node, ast.Call):
        return None
    match module.scopes.parents.get(binding.node):
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Tuple(elts=training), _])]):
            if any(
                isinstance(length, ast.Name) and length.id == name
                for length in training
            ):
                return _loaded(module, binding.node)
    return None


def _loaded(module: Module, call: ast.Call) -> int | None:
    match values(module, call.func):
        case (Known(name),):
            return _LENGTHS.get(name)
    return None
