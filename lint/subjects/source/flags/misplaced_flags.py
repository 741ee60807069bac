"""Flags that a layer gets which ignores it, and not the one inside the brackets."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..networks.contents import kinds_held
from ..reading.values import Class, Known, Result, parameters
from ..resolving.classes import keras_kind, keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module

# Layers of Keras that act alike in both phases.
_ALIKE = frozenset(
    f"keras.layers.{name}"
    for name in (
        *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"),
        *("Add", "Concatenate", "Multiply", "Flatten", "Reshape", "Permute", "Dense"),
        *("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "SeparableConv2D"),
        *("MaxPooling1D", "MaxPooling2D", "AveragePooling2D"),
        *("GlobalAveragePooling2D", "ZeroPadding2D", "UpSampling2D"),
    )
)


@dataclass(frozen=True)
class Misplaced:
    """A flag one bracket too far out.

    Attributes:
        call: the call of the layer that should get it.
        flag: the flag, which another layer gets.
        given_to: that layer, as written.
        kinds: what is left without a phase.
    """

    call: ast.Call
    flag: ast.keyword
    given_to: str
    kinds: Kinds


def misplaced_flags(module: Module) -> Iterator[Misplaced]:
    """Yield each `relu(self.bn(x), training=is_training)` in a class of Keras.

    Where the method around has a `training` of its own, the layer inherits it.
    """
    for call in module.calls:
        match call:
            case ast.Call(args=[ast.Call(args=[_, *_]) as inner, *_]) if (
                keyword(call, FLAG) is not None and says(module, inner).is_nothing
            ):
                pass
            case _:
                continue
        owner = module.scopes.enclosing_class(call)
        method = module.scopes.enclosing_function(call)
        if (
            owner is None
            or method is None
            or FLAG in parameters(method)
            or keras_kind(Class(module, owner)) is None
            or not _acts_alike(module, call.func)
        ):
            continue
        kinds = kinds_held(module, inner.func)
        if kinds:
            flag = next(one for one in call.keywords if one.arg == FLAG)
            yield Misplaced(inner, flag, ast.unparse(call.func), kinds)


def _acts_alike(module: Module, layer: ast.expr) -> bool:
    found = values(module, layer)
    return bool(found) and all(
        isinstance(value, Result)
        and isinstance(value.maker, Known)
        and value.maker.name in _ALIKE
        for value in found
    )
