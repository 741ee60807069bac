"""Conditions on a layer of which a name speaks: whether it is batch normalization."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import Items, Known, Literal, Value
from ..resolving.resolve import values
from .batch_norms import batch_norm_name

if TYPE_CHECKING:
    from ..reading.module import Module

_ATTRIBUTES = ("moving_mean", "moving_variance", "momentum")  # of BN alone
_NAMES = ("BatchNorm", "batch_norm", "batchnorm", "bn", "_bn", "bn_")


def is_of_batch_norm(module: Module, test: ast.expr, name: str) -> bool:
    """Whether a test on the layer of that name is true for BN alone."""
    match test:
        case ast.BoolOp(op=ast.Or(), values=tests):
            return all(is_of_batch_norm(module, one, name) for one in tests)
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=layer), kinds]):
            return layer == name and are_batch_norm(module, kinds)
        case ast.Call(
            func=ast.Name(id="hasattr"),
            args=[ast.Name(id=layer), ast.Constant(value=attribute)],
        ):
            return layer == name and attribute in _ATTRIBUTES
        case ast.Compare(
            left=left, ops=[ast.Eq() | ast.Is() | ast.In()], comparators=[right]
        ):
            if _is_type_of(left, name):  # type(layer) is BatchNormalization
                return are_batch_norm(module, right)
            if _is_name_of(left, name):  # layer.__class__.__name__ == "Batch..."
                return _names_batch_norm(module, right)
            return _is_name_of(right, name) and _names_batch_norm(module, left)
        case ast.Call(
            func=ast.Attribute(value=text, attr="startswith" | "endswith"), args=[word]
        ):
            return _is_name_of(text, name) and _names_batch_norm(module, word)
    return False


def are_batch_norm(module: Module, kinds: ast.expr) -> bool:
    """Whether classes of layers are BN, or it and others that normalize."""
    found = list(values(module, kinds))
    if not found:
        return last_word(kinds) == "BatchNormalization"
    for value in list(found):
        if isinstance(value, Items):
            elements = getattr(value.node, "elts", [])
            found += [one for part in elements for one in values(module, part)]
    others = [value for value in found if not isinstance(value, Items)]
    return any(map(batch_norm_name, others)) and all(map(_normalizes, others))


def _normalizes(kind: Value) -> bool:
    """Whether it is BN, or a kind of normalization that may be frozen beside it."""
    other = isinstance(kind, Known) and kind.name.endswith("Normalization")
    return other or batch_norm_name(kind) is not None


def _is_type_of(expression: ast.expr, name: str) -> bool:
    return ast.unparse(expression) in (f"type({name})", f"{name}.__class__")


def _is_name_of(expression: ast.expr, name: str) -> bool:
    """Whether it is the name of the layer, or of its class."""
    return ast.unparse(expression) in (
        *(f"{name}.name", f"{name}.name.lower()", f"str({name}.name)"),
        *(f"type({name}).__name__", f"{name}.__class__.__name__"),
    )


def _names_batch_norm(module: Module, word: ast.expr) -> bool:
    found = values(module, word)
    texts = [value.value for value in found if isinstance(value, Literal)]
    return bool(texts) and all(
        isinstance(text, str) and text.startswith(_NAMES) for text in texts
    )
