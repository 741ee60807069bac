"""The position of an image's channels, for layers that do not specify it."""

from __future__ import annotations

import ast
import os
import re
from typing import TYPE_CHECKING

from ..reading.keras_versions import keras_for
from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.values import Literal
from ..resolving.classes import keyword
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

FIRST, LAST = "channels_first", "channels_last"
_ASKING = ("image_data_format", "image_dim_ordering")
_SETTERS = ("set_image_data_format", "set_image_dim_ordering")
_FORMATS = {FIRST: FIRST, LAST: LAST, "th": FIRST, "tf": LAST}
# Imports of a Keras of its own, which ran on Theano, too.
_STANDALONE = re.compile(r"^[ \t]*(import|from)[ \t]+(tf_)?keras\b", re.MULTILINE)
# By these a module may ask for the format, or receive it.
_ELSEWHERE = ("data_format", "dim_ordering", FIRST, LAST)
_COLORS = (1, 3)
_LEAST_PIXELS = 8


def default_data_format(module: Module) -> str | None:
    """The default format of layers; None where it is not known.

    Before Keras 3, a file in the home folder often set it, for Theano, which is not for
    the Keras in TensorFlow. There it is known only where the module sets it, or where
    the shapes of images show it.
    """
    given = [
        call for setter in _SETTERS for call in module.calls_by_name.get(setter, ())
    ]
    if given:
        found = {_set_by(module, call) for call in given}
        return found.pop() if len(found) == 1 else None
    if module.mentions(*_ELSEWHERE):
        return None
    if _is_known_by_version(module):
        return LAST
    shown = {_shown_by(shape) for shape in _image_shapes(module)} - {None}
    return shown.pop() if len(shown) == 1 else None


def left_at_default(module: Module, layer: ast.AST) -> str | None:
    """The default format of a layer in a file that speaks of formats elsewhere.

    That may be in other classes and functions, if none asks for the default, or in
    arguments that say "channels_last".
    """
    if not _is_known_by_version(module) or any(
        word in module.calls_by_name for word in (*_SETTERS, *_ASKING)
    ):
        return None
    around = _outermost(module, layer)
    for node in _mentions(module):
        if _outermost(module, node) in (around, module.tree) and not (
            isinstance(node, ast.keyword) and _says_last(node.value)
        ):
            return None
    return LAST


def _is_known_by_version(module: Module) -> bool:
    return not keras_for(module).legacy or not module.matches(_STANDALONE)


@remembered
def _mentions(module: Module) -> list[ast.AST]:
    """What names a format, or where one is given; not what documents it."""
    found: list[ast.AST] = []
    for node in ast.walk(module.tree):
        match node:
            case ast.keyword(arg=str() as word) | ast.arg(arg=word):
                pass
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.alias(name=word):
                pass
            case ast.Constant(value=str() as word):
                parent = module.scopes.parents.get(node)
                said = isinstance(parent, ast.keyword) and _says_last(node)
                if said or isinstance(parent, ast.Expr):
                    continue
            case _:
                continue
        if any(sign in word for sign in _ELSEWHERE):
            found.append(node)
    return found


def _says_last(given: ast.expr) -> bool:
    return isinstance(given, ast.Constant) and _FORMATS.get(str(given.value)) == LAST


def _outermost(module: Module, node: ast.AST) -> ast.AST:
    """The outermost class or function that a node is in, or the module."""
    around: ast.AST = module.tree
    for outer in module.scopes.ancestors(node):
        if isinstance(outer, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            around = outer
    return around


def sets_format_elsewhere(module: Module) -> bool:
    """Whether another file, which this one may be imported by, sets the format."""
    texts, here = module.project.texts, module.real_path
    return any(
        os.path.realpath(path) != str(here)
        and here in module.project.reach.led_to(path)
        for path in texts.with_sign(_sets_format)
    )


def _sets_format(text: str) -> bool:
    return any(setter in text for setter in _SETTERS)


def _set_by(module: Module, call: ast.Call) -> str | None:
    if module.scopes.enclosing_function(call) is None and len(call.args) == 1:
        for value in values(module, call.args[0]):
            if isinstance(value, Literal) and isinstance(value.value, str):
                return _FORMATS.get(value.value)
    return None


def _image_shapes(module: Module) -> Iterator[tuple[object, ...]]:
    """The shapes of three axes that inputs of the module have."""
    for call in module.calls:
        shape = keyword(call, "input_shape")
        if shape is None and last_word(call.func) in ("Input", "InputLayer"):
            shape = keyword(call, "shape") or (call.args[0] if call.args else None)
        match shape:
            case ast.Tuple(elts=[_, _, _] as axes):
                yield tuple(_number(module, axis) for axis in axes)


def _number(module: Module, expression: ast.expr) -> object:
    match values(module, expression):
        case [Literal(value=number)]:
            return number
    return None


def _shown_by(shape: tuple[object, ...]) -> str | None:
    """Return the data format a shape shows; channels first only if it is square."""
    *image, channels = shape
    if channels in _COLORS and _are_pixels(image):
        return LAST
    channels, *image = shape
    if channels in _COLORS and _are_pixels(image) and image[0] == image[1]:
        return FIRST
    return None


def _are_pixels(sides: list[object]) -> bool:
    return all(isinstance(side, int) and side > _LEAST_PIXELS for side in sides)
