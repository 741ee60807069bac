"""Numbers that the source gives, directly or by calculation, and lengths of data."""

from __future__ import annotations

import ast
import re
from math import ceil, floor
from typing import TYPE_CHECKING, TypeVar

from ..reading.arithmetic import calculated
from ..reading.bindings import Kind
from ..reading.limits import CALCULATIONS, LARGEST_NUMBER
from ..reading.values import Known, Literal, Result, is_number
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..reading.bindings import Binding
    from ..reading.module import Module

Answer = TypeVar("Answer", int, float)

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
    "keras.datasets.boston_housing.load_data": 404,
}
# The number of samples of these, of which `X, y` is loaded whole.
_WHOLE = {
    "sklearn.datasets.load_iris": 150,
    "sklearn.datasets.load_wine": 178,
    "sklearn.datasets.load_diabetes": 442,
    "sklearn.datasets.load_breast_cancer": 569,
    "sklearn.datasets.load_digits": 1_797,
}
# Calls that keep the first dimension of an array.
_METHODS = {"astype", "copy"}
_FUNCTIONS = {
    *("numpy.array", "numpy.asarray", "numpy.expand_dims", "tensorflow.cast"),
    *("tensorflow.expand_dims", "tensorflow.image.resize", "keras.ops.expand_dims"),
    *("keras.utils.normalize", "keras.utils.to_categorical"),
}
# Calls that make an array of a shape: by the place of the shape among the arguments.
_OF_SHAPE = {
    **dict.fromkeys(("zeros", "ones", "empty", "random"), 0),
    **dict.fromkeys(("random_sample", "standard_normal", "full"), 0),
    **dict.fromkeys(("normal", "uniform", "randint", "integers"), 2),
}
_OF_SIZES = ("numpy.random.rand", "numpy.random.randn")
_TENSORS = re.compile(
    r"(keras\.(random|ops)|tensorflow(\.random)?)\.(normal|uniform|zeros|ones)$"
)
_GENERATORS = ("numpy.random.default_rng", "numpy.random.RandomState")


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
        case ast.BinOp(left=left, op=op, right=right):
            one, other = (number(module, side, depth + 1) for side in (left, right))
            if one is None or other is None:
                return None
            return calculated(op, one, other)
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
        case ast.Subscript(value=base, slice=part):
            return _length_of_part(module, base, part, depth)
        case ast.Attribute(value=base, attr="data" | "images"):
            return _loaded(module, base)
        case ast.Call(func=ast.Attribute(value=base, attr=name)) if name in _METHODS:
            return length_of(module, base, depth + 1)
        case ast.Call(
            func=ast.Attribute(attr="fit_transform" | "transform"), args=[first, *_]
        ):
            return length_of(module, first, depth + 1)
        case ast.Call():
            return _length_of_result(module, data, depth)
    return None


def _length_of_part(
    module: Module, data: ast.expr, part: ast.expr, depth: int
) -> int | None:
    """The length of `data[:100]`, `data[:, 0]` and the like."""
    match part:
        case ast.Slice(lower=None, upper=ast.expr() as upper, step=None):
            limit = number(module, upper, depth + 1)
            return None if limit is None or limit < 0 else int(limit)
        case ast.Tuple(elts=[ast.Slice(lower=None, upper=None), *_]):
            return length_of(module, data, depth + 1)
    return None


def _length_of_result(module: Module, call: ast.Call, depth: int) -> int | None:
    """The length of an array that a known function makes, or of another array."""
    match values(module, call.func):
        case (Known(name),) if name in _FUNCTIONS and call.args:
            return length_of(module, call.args[0], depth + 1)
        case (Known(name),) if call.args and (
            name in _OF_SIZES or _TENSORS.match(name)
        ):
            shape: ast.expr | None = call.args[0]
        case (Known(name),) if name.startswith("numpy."):
            shape = _shape_given(call, name.rpartition(".")[2])
        case () if isinstance(call.func, ast.Attribute) and any(
            isinstance(value, Result)
            and isinstance(value.maker, Known)
            and value.maker.name in _GENERATORS
            for value in values(module, call.func.value)
        ):
            shape = _shape_given(call, call.func.attr)
        case _:
            return None
    if isinstance(shape, ast.Tuple | ast.List) and shape.elts:
        shape = shape.elts[0]
    length = None if shape is None else number(module, shape, depth + 1)
    return None if length is None or length < 0 else int(length)


def _shape_given(call: ast.Call, function: str) -> ast.expr | None:
    place = _OF_SHAPE.get(function)
    if place is None:
        return None
    for argument in call.keywords:
        if argument.arg in ("size", "shape"):
            return argument.value
    return call.args[place] if place < len(call.args) else None


def _bound_length(
    module: Module, name: str, binding: Binding, depth: int
) -> int | None:
    if binding.kind is Kind.VALUE and isinstance(binding.node, ast.expr):
        return length_of(module, binding.node, depth + 1)
    if binding.kind is not Kind.ITEM or not isinstance(binding.node, ast.Call):
        return None
    match module.scopes.parents.get(binding.node):
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Tuple(elts=training), _])]):
            if name in _names(training):
                return _LENGTHS.get(_function(module, binding.node))
        case ast.Assign(targets=[ast.Tuple(elts=parts)]) if name in _names(parts):
            return _length_of_item(
                module, binding.node, _names(parts).index(name), depth
            )
    return None


def _length_of_item(
    module: Module, call: ast.Call, place: int, depth: int
) -> int | None:
    """The most samples of one of several arrays that a call returns."""
    function = _function(module, call)
    if function == "sklearn.model_selection.train_test_split":
        split = call.args[place // 2 : place // 2 + 1]
        return length_of(module, split[0], depth + 1) if split else None
    return _WHOLE.get(function)


def _names(parts: list[ast.expr]) -> list[str]:
    return [part.id if isinstance(part, ast.Name) else "" for part in parts]


def _loaded(module: Module, data: ast.expr) -> int | None:
    """The number of samples of an object that scikit-learn loaded."""
    match values(module, data):
        case (Result(maker=Known(name)),):
            return _WHOLE.get(name)
    return None


def _function(module: Module, call: ast.Call) -> str:
    match values(module, call.func):
        case (Known(name),):
            return name
    return ""
