"""Flags that a layer is built with and passes to its own, whatever `call` gets."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import names
from . import hints
from .classes import calls_in, keras_kind, keyword, reached
from .contents import Kinds, kinds_held
from .members import attribute_of_self, is_set_from_outside, members, self_name
from .resolve import values
from .saying import FLAG
from .values import Class, Known, Result, Routine, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module
    from .values import Value

_KEPT = re.compile(r"training\s*=\s*self\.")


@dataclass(frozen=True)
class Kept:
    """A call of BN, of dropout, or of what may hold these, with a constructor's flag.

    Attributes:
        flag: the argument.
        name: the attribute that keeps the flag.
        kinds: what the layer holds; nothing if it is not in sight.
    """

    flag: ast.keyword
    name: str
    kinds: Kinds


def kept_flags(module: Module) -> Iterator[Kept]:
    """Yield such calls in the `call` of a Keras class and what it uses, each once.

    Of layers other than BN, the first of a class is enough.
    """
    if not module.matches(_KEPT):
        return
    seen: set[ast.keyword] = set()
    others: set[ast.ClassDef] = set()
    for node in module.classes:
        cls = Class(module, node)
        if "call" not in members(module, node).methods or keras_kind(cls) is None:
            continue
        for routine in reached(cls, "call"):
            if routine.module is not module:
                continue
            me = self_name(routine.node)
            for call in calls_in(module, routine.node):
                given = keyword(call, FLAG)
                name = None if given is None else attribute_of_self(given, me)
                if name is None or not _is_from_constructor(module, node, name):
                    continue
                flag = next(
                    argument for argument in call.keywords if argument.arg == FLAG
                )
                kinds = kinds_held(module, call.func) & {
                    names.BATCH_NORM,
                    names.DROPOUT,
                }
                if flag in seen or not (kinds or _is_out_of_sight(module, call.func)):
                    continue
                seen.add(flag)
                if names.BATCH_NORM in kinds or node not in others:
                    yield Kept(flag, name, kinds)
                if names.BATCH_NORM not in kinds:
                    others.add(node)


def _is_out_of_sight(module: Module, layer: ast.expr) -> bool:
    """Whether nothing is known of a layer that an instance holds."""
    while isinstance(layer, ast.Subscript):
        layer = layer.value
    return isinstance(layer, ast.Attribute) and not any(
        isinstance(value, Routine) or _is_class_of_keras(value)
        for value in values(module, layer)
    )


def _is_class_of_keras(layer: Value) -> bool:
    """Whether it is surely a layer of Keras or of the project; not what is made there.

    A function may return any layer.
    """
    match layer:
        case Result(maker=Known(name)):
            return name.rpartition(".")[2][:1].isupper()
        case Result(maker=Class()):
            return True
    return False


def _is_from_constructor(module: Module, node: ast.ClassDef, name: str) -> bool:
    """Whether an attribute is a flag that the constructor gets and nothing changes."""
    if not hints.is_training_flag(name) or "trainable" in name.lower():
        return False
    own = members(module, node)
    constructor = own.methods.get("__init__")
    if constructor is None or name in own.methods:
        return False
    given = own.given(name)
    return (
        len(given) == 1
        and isinstance(given[0], ast.Name)
        and given[0].id in parameters(constructor)
        and module.scopes.enclosing_function(given[0]) is constructor
        and not is_set_from_outside(module, name)
    )
