"""Networks with BN that are trained with one sample at a time."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .bindings import Kind
from .classes import keyword
from .contents import kinds_held
from .nodes import last_word
from .numbers import number
from .resolve import values
from .sequence import layers_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_FITTING = ("fit", "fit_generator", "train_on_batch")
_BATCHING = (
    *("flow", "flow_from_directory", "flow_from_dataframe"),
    *("image_dataset_from_directory", "timeseries_dataset_from_array"),
)
_ARRAYS = ("array", "asarray", "convert_to_tensor", "constant")
_FLAT = {"Dense", "EinsumDense", "GlobalAveragePooling2D", "Flatten", "Embedding"}


def batches_of_one(module: Module) -> Iterator[tuple[ast.AST, bool]]:
    """Yield each batch of one sample for a network with BN, and if it surely harms.

    It does where BN comes after a layer that leaves one value per channel, unless the
    sample may have further dimensions.
    """
    for word in _FITTING:
        for call in module.calls_by_name.get(word, ()):
            place = _one(module, call)
            if place is None or not isinstance(call.func, ast.Attribute):
                continue
            if names.BATCH_NORM in kinds_held(module, call.func.value):
                flat = any(layer.kind in _FLAT for layer in layers_before(module))
                deep = place in call.args and not _is_row(module, place)
                yield place, flat and not deep


def _one(module: Module, call: ast.Call) -> ast.expr | None:
    """The argument by which a network is trained with one sample at a time."""
    data = call.args[0] if call.args else keyword(call, "x")
    size = keyword(call, "batch_size")
    if size is not None:
        return size if number(module, size) == 1 else None
    for node in _written_out(module, data):
        match node:
            case ast.Call(func=ast.Attribute(attr="batch"), args=[size, *_]):
                if number(module, size) == 1:
                    return node
            case ast.Call(func=function) if last_word(function) in _BATCHING:
                size = keyword(node, "batch_size")
                return size if size is not None and number(module, size) == 1 else None
    return data if data is not None and _is_one_sample(module, data) else None


def _is_one_sample(module: Module, data: ast.expr) -> bool:
    """Whether it is an array with a first dimension of 1: `x[None]`, and the like."""
    match _only_value(module, data):
        case ast.Subscript(slice=index):
            first = index.elts[0] if isinstance(index, ast.Tuple) else index
            return _is_new_axis(first) or _is_one_of(first)
        case ast.Call(func=function) as call if last_word(function) == "expand_dims":
            axis = call.args[1] if len(call.args) > 1 else keyword(call, "axis")
            return axis is not None and number(module, axis) == 0
        case ast.Call(func=function, args=[ast.List(elts=[only]), *_]):
            alone = isinstance(only, ast.Name | ast.Attribute | ast.Subscript)
            return alone and last_word(function) in _ARRAYS
    shape = _shape(module, data)
    return len(shape) > 1 and number(module, shape[0]) == 1


def _is_row(module: Module, data: ast.expr) -> bool:
    """Whether it is surely reshaped to two dimensions."""
    return len(_shape(module, data)) == 2


def _shape(module: Module, data: ast.expr) -> list[ast.expr]:
    """The shape that it is reshaped to; nothing where that is not seen."""
    match _only_value(module, data):
        case ast.Call(func=function, args=args) if last_word(function) == "reshape":
            shape = args[1:] if values(module, function) else args
            match shape:
                case [ast.Tuple(elts=given) | ast.List(elts=given)]:
                    return given
            return shape
    return []


def _is_new_axis(index: ast.expr) -> bool:
    is_none = isinstance(index, ast.Constant) and index.value is None
    return is_none or last_word(index) == "newaxis"


def _is_one_of(index: ast.expr) -> bool:
    """Whether it is `i : i + 1`."""
    match index:
        case ast.Slice(
            lower=ast.expr() as lower,
            upper=ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=1)),
            step=None,
        ):
            return ast.unparse(lower) == ast.unparse(left)
    return False


def _only_value(module: Module, data: ast.expr) -> ast.AST:
    """What a name surely is, in the function where it is used."""
    if isinstance(data, ast.Name):
        match module.scopes.lookup(data):
            case scope, [binding] if (
                isinstance(binding.node, ast.expr)
                and binding.kind is Kind.VALUE
                and scope is module.scopes.scope_of(data)
            ):
                return binding.node
    return data


def _written_out(module: Module, data: ast.expr | None) -> Iterator[ast.AST]:
    """The calls by which a data set is made, the last one first."""
    for _ in range(20):
        match data:
            case ast.Name():
                found = module.scopes.lookup(data)
                nodes = [candidate.node for candidate in found[1]] if found else []
                if len(nodes) != 1 or not isinstance(nodes[0], ast.expr):
                    return
                data = nodes[0]
            case ast.Call(func=function) if last_word(function) in _BATCHING:
                yield data
                return
            case ast.Call(func=ast.Attribute(value=inner, attr=name)):
                yield data
                if name in ("batch", "padded_batch", "unbatch"):
                    return
                data = inner
            case _:
                return
