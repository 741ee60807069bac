"""Attributes that are always True, and the flag of layers of TensorFlow 1."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.values import Class, Known
from ..resolving.classes import keras_kind, keyword
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values
from ..statistics.batch_norm_calls import is_of_graphs
from .built_flags import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module

_TRUE = re.compile(r"self\.\w+\s*(:\s*bool\s*)?=\s*True\b")
_OPTIMIZES = re.compile(r"\b(minimize|apply_gradients|create_train_op)\(")


@dataclass(frozen=True)
class ConstantFlag:
    """An attribute that the constructor sets to True, for good.

    Attributes:
        node: the constant.
        name: the attribute.
        lines: where it is the flag of a layer.
        kinds: what these layers are.
        optimizes: whether the module also trains, or the class is called so: its graph
            may be for that alone.
    """

    node: ast.expr
    name: str
    lines: tuple[int, ...]
    kinds: Kinds
    optimizes: bool


def constant_flags(module: Module) -> Iterator[ConstantFlag]:
    """Yield each such attribute of a class that is no layer or model of Keras."""
    if not module.matches(_TRUE) or module.is_test:
        return
    for node in module.classes:
        for name, value in _set_to_true(module, node):
            uses = dict(_uses(module, node, name))
            if uses and keras_kind(Class(module, node)) is None:
                yield ConstantFlag(
                    value,
                    name,
                    tuple(sorted({call.lineno for call in uses})),
                    frozenset().union(*uses.values()),
                    module.matches(_OPTIMIZES) or "train" in node.name.lower(),
                )


def _set_to_true(module: Module, node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    own = members(module, node)
    constructor = own.methods.get("__init__")
    for inner in ast.walk(constructor) if constructor is not None else ():
        match inner:
            case ast.Assign(
                targets=[ast.Attribute(attr=name)], value=ast.Constant(value=True)
            ) if hints.is_training_flag(name) and "trainable" not in name:
                if (
                    own.given(name) == [inner.value]
                    and not _is_set_below(module, node, name)
                    and not _is_set_elsewhere(module, node.name, name)
                ):
                    yield name, inner.value


def _is_set_below(module: Module, owner: ast.ClassDef, name: str) -> bool:
    """Whether a class of the module that extends it may set it."""
    return any(
        node is not owner
        and any(last_word(base) == owner.name for base in node.bases)
        and members(module, node).given(name)
        for node in module.classes
    )


def _is_set_elsewhere(module: Module, owner: str, name: str) -> bool:
    """Whether anything else may set it; true if the project is too large to tell."""
    outside = re.compile(rf"(?<!\bself)\.{name}\s*=(?!=)")
    inside = re.compile(rf"\.{name}\s*=(?!=)|setattr\(|[\"']{name}[\"']")
    texts = module.project.texts.by_path.values()
    return (
        not texts
        or module.may_hide(name)
        or module.mentions("setattr(", "__dict__")
        or module.matches(outside)
        or any(
            outside.search(text) or (owner in text and inside.search(text))
            for text in texts
            if text != module.text
        )
    )


def _uses(
    module: Module, owner: ast.ClassDef, name: str
) -> Iterator[tuple[ast.Call, Kinds]]:
    """The calls of layers that get the attribute as their phase."""
    for call in module.calls:
        if module.scopes.enclosing_class(call) is not owner:
            continue
        function = module.scopes.enclosing_function(call)
        for flag in FLAGS:
            given = keyword(call, flag)
            if (
                given is not None
                and function is not None
                and attribute_of_self(given, self_name(function)) == name
                and (kinds := _kinds_called(module, call))
            ):
                yield call, kinds


def _kinds_called(module: Module, call: ast.Call) -> Kinds:
    if is_of_graphs(module, call):
        return frozenset({names.BATCH_NORM})
    dropouts = {Known(name) for name in names.DROPOUT_FUNCTIONS}
    if not dropouts.isdisjoint(values(module, call.func)):
        return frozenset({names.DROPOUT})
    return kinds_held(module, call.func) & {names.BATCH_NORM, names.DROPOUT}
