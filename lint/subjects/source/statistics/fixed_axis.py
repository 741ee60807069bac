"""BN with a fixed axis where the code asks for the format of images."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import Known, unpacks
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.switches import constants_of
from .batch_norms import batch_norm_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_ASKS = ("image_data_format", "image_dim_ordering")
_CONVOLUTION = re.compile(r"(Separable|Depthwise)?(Conv|Convolution)[23]D(Transpose)?$")
_EITHER = ({1, -1}, {1, 3}, {1, 4})  # axes of the channels, as the format is
_FLATTENS = re.compile(r"Dense$|Flatten$|Global\w*Pool\w*$|Reshape$")


def fixed_axes(module: Module) -> Iterator[tuple[ast.Call, int]]:
    """Yield the first BN beside a convolution whose axis fits one format alone.

    It comes with its axis. The code takes images of either format: it compares the
    format with something, and no layer has another; the convolution beside BN is given
    a format that is no constant; or another layer gets the axis of either: one beside
    BN, or, for an axis of 1, other batch normalization anywhere.
    """
    if not (module.mentions("BatchNorm") and module.mentions(*_ASKS, "data_format")):
        return
    layers = [call for call in module.calls if last_word(call.func)[:1].isupper()]
    found = [call for call in layers if _is_batch_norm(module, call)]
    axes = [_axis(module, call) for call in found]
    chooses = any(_gets_either(module, call) for call in found)
    asks = None not in axes and _compares(module)
    if any(_has_own_format(call) for call in layers):
        asks = chooses = False
    for call, axis in zip(found, axes, strict=True):
        asked = asks or (chooses and axis == 1)
        if axis is not None and (
            _is_on_images(module, call, layers, axis, asked)
            or _is_beside_chosen(module, call, layers)
        ):
            yield call, axis
            return


def _is_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether a call builds a BN layer of Keras."""
    return any(
        isinstance(value, Known) and batch_norm_name(value) is not None
        for value in values(module, call.func)
    )


def _compares(module: Module) -> bool:
    """Whether the format decides about something, and is not set by the module."""
    if any(f"set_{word}" in module.calls_by_name for word in _ASKS):
        return False
    return any(
        isinstance(module.scopes.parents.get(call), ast.Compare)
        for word in _ASKS
        for call in module.calls_by_name.get(word, ())
    )


def _has_own_format(call: ast.Call) -> bool:
    """Whether a layer is given a format other than the one that the code asks for."""
    given = keyword(call, "data_format")
    return given is not None and not (
        isinstance(given, ast.Call) and last_word(given.func) in _ASKS
    )


def _axis(module: Module, call: ast.Call) -> int | None:
    """The axis as written, or the default; None if it is chosen, or may be."""
    given = call.args[0] if call.args else keyword(call, "axis")
    if unpacks(call):
        return None
    if given is None:
        return -1
    match given:
        case ast.Constant(value=int() as axis):
            return axis
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as axis)):
            return -axis
        case ast.Name():
            match constants_of(module, given):
                case [int() as axis]:
                    return axis
    return None


def _gets_either(module: Module, call: ast.Call) -> bool:
    """Whether a layer gets the axis of the channels by the format."""
    axis = keyword(call, "axis")
    return isinstance(axis, ast.Name) and set(constants_of(module, axis)) in _EITHER


def _is_on_images(
    module: Module, made: ast.Call, layers: list[ast.Call], axis: int, asks: bool
) -> bool:
    """Whether it stands beside a convolution in its function; by default, after it.

    Unless the module `asks` for the format, the convolution must be given one.
    """
    function = module.scopes.enclosing_function(made)
    beside = [
        call
        for call in layers
        if module.scopes.enclosing_function(call) is function
        and (asks or _is_chosen(call) or _FLATTENS.search(last_word(call.func)))
    ]
    if axis == 1:
        return any(_is_convolution(call) for call in beside)
    before = [call for call in beside if call.lineno < made.lineno]
    for call in reversed(before):
        if _FLATTENS.search(last_word(call.func)):
            return False
        if _is_convolution(call):
            return axis in (-1, 3)
    return False


def _is_beside_chosen(module: Module, made: ast.Call, layers: list[ast.Call]) -> bool:
    """Whether another layer of its function gets the axis of the channels by format."""
    function = module.scopes.enclosing_function(made)
    beside = [
        call for call in layers if module.scopes.enclosing_function(call) is function
    ]
    return not any(
        _FLATTENS.search(last_word(call.func)) and call.lineno < made.lineno
        for call in beside
    ) and any(_gets_either(module, call) for call in beside if call is not made)


def _is_convolution(call: ast.Call) -> bool:
    return _CONVOLUTION.match(last_word(call.func)) is not None


def _is_chosen(call: ast.Call) -> bool:
    """Whether a layer is given a format that is a name's or an attribute's."""
    return isinstance(keyword(call, "data_format"), ast.Name | ast.Attribute)
