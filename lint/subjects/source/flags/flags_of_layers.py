"""Flags that layers get themselves, when they are made or later, and not their calls.

PyTorch keeps the phase in `module.training`; Keras reads no such attribute.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading.values import Class, Known, Result
from ..resolving.classes import keras_kind, keyword
from ..resolving.members import attribute_of_self
from ..resolving.resolve import values
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_SET = re.compile(r"\.training\s*=(?!=)")
_LAYERS = (
    *("keras.layers.", "keras.models.", "keras.applications."),
    *("keras.Model", "keras.Sequential"),
)
_MADE = re.compile(r"(?:Normalization|Dropout\w*|Noise)\([^()]*\btraining\s*=")


def flags_set(module: Module) -> Iterator[ast.Attribute]:
    """Yield each `network.training = ...` for a network or layer of Keras."""
    if module.is_test or not module.matches(_SET):
        return
    if not module.mentions("keras", ".trainable"):
        return
    attributes = [node for node in module.scopes.of(ast.Attribute) if node.attr == FLAG]
    if any(isinstance(node.ctx, ast.Load) for node in attributes):
        return  # which the code itself may ask for
    for node in attributes:
        if isinstance(node.ctx, ast.Store) and _is_of_keras(module, node.value):
            yield node


def flags_of_constructors(module: Module) -> Iterator[ast.keyword]:
    """Yield each `BatchNormalization(training=...)` of a layer that has no such."""
    if not module.matches(_MADE):
        return
    for call in module.calls:
        flag = next((word for word in call.keywords if word.arg == FLAG), None)
        if flag is not None and any(
            isinstance(value, Known)
            and value.name.startswith("keras.layers.")
            and names.kinds_named(value.name)
            for value in values(module, call.func)
        ):
            yield flag


def _is_of_keras(module: Module, network: ast.expr) -> bool:
    """Whether it is made with Keras, or one of the layers of a network."""
    loop = module.scopes.loop_of(network) if isinstance(network, ast.Name) else None
    if _is_one_of_layers(network if loop is None else loop.iter, loop is not None):
        return not _uses_torch(module)
    found = values(module, network)
    return bool(found) and all(map(_is_plain, found))


def _is_one_of_layers(expression: ast.expr, in_loop: bool) -> bool:
    """Whether it is `net.layers[3]`, `net.get_layer(...)`, or a loop over layers."""
    match expression:
        case ast.Call(func=ast.Attribute(attr="get_layer")):
            return True
        case ast.Call(func=ast.Name(), args=[over, *_]) if in_loop:  # enumerate
            return _is_one_of_layers(over, in_loop)
        case ast.Subscript(value=layers):
            return _is_one_of_layers(layers, in_loop=True)
        case ast.Attribute(attr="layers"):
            return in_loop and attribute_of_self(expression, "self") is None
    return False


def _is_plain(value: Value) -> bool:
    """Whether it is an instance of a Keras class that has no flag of its own."""
    match value:
        case Result(maker=Known(name), call=call):
            return name.startswith(_LAYERS) and keyword(call, FLAG) is None
        case Result(maker=Class() as cls):
            own = f"self.{FLAG}" in ast.unparse(cls.node)
            return keras_kind(cls) is not None and not own
    return False


def _uses_torch(module: Module) -> bool:
    return module.mentions("import torch", "from torch")
