"""Networks with BN that are trained with one sample at a time."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .classes import keyword
from .contents import kinds_held
from .numbers import number
from .sequence import layers_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_FITTING = ("fit", "fit_generator")
_FLAT = {"Dense", "EinsumDense", "GlobalAveragePooling2D", "Flatten", "Embedding"}


def batches_of_one(module: Module) -> Iterator[tuple[ast.AST, bool]]:
    """Yield each `batch_size=1` of a network with BN, and whether it is surely harmful.

    It is harmful where BN comes after a layer that leaves one value per channel.
    """
    for word in _FITTING:
        for call in module.calls_by_name.get(word, ()):
            place = _one(module, call)
            if place is None or not isinstance(call.func, ast.Attribute):
                continue
            if names.BATCH_NORM in kinds_held(module, call.func.value):
                flat = any(layer.kind in _FLAT for layer in layers_before(module))
                yield place, flat


def _one(module: Module, call: ast.Call) -> ast.AST | None:
    """The argument by which `fit` gets one sample at a time."""
    size = keyword(call, "batch_size")
    if size is not None:
        return size if number(module, size) == 1 else None
    data = call.args[0] if call.args else keyword(call, "x")
    for node in _written_out(module, data):
        match node:
            case ast.Call(func=ast.Attribute(attr="batch"), args=[size, *_]):
                if number(module, size) == 1:
                    return node
    return None


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
            case ast.Call(func=ast.Attribute(value=inner, attr=name)):
                yield data
                if name in ("batch", "padded_batch", "unbatch"):
                    return
                data = inner
            case _:
                return
