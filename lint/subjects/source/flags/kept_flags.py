"""Flags that a layer keeps from its constructor and passes on whatever `call` gets."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.values import Class, Known, Result, Routine, parameters
from ..resolving.classes import calls_in, keras_kind, keyword, reached
from ..resolving.instances import attribute_given
from ..resolving.mappings import mappings_in
from ..resolving.members import (
    attribute_of_self,
    is_set_elsewhere,
    is_set_from_outside,
    members,
    self_name,
)
from ..resolving.resolve import values
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module
    from ..reading.values import Value
    from ..resolving.members import Method

_KEPT = re.compile(r"training\s*=\s*self\.")


@dataclass(frozen=True)
class Kept:
    """A call of BN, of dropout, or of what may hold these, with a flag that is kept.

    Attributes:
        flag: the argument.
        name: the attribute that keeps the flag.
        kinds: what the layer holds; nothing if it is not in sight.
        value: the constant that the constructor sets; None if it is given the flag.
    """

    flag: ast.keyword
    name: str
    kinds: Kinds
    value: bool | None = None


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
                kept = None if name is None else _from_constructor(module, node, name)
                if name is None or kept is None:
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
                    value = kept.value if isinstance(kept, ast.Constant) else None
                    yield Kept(flag, name, kinds, value)  # type: ignore[arg-type]
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


def _settings_of(module: Module, constructor: Method | None) -> ast.expr | None:
    """What a constructor gets, and makes all entries of attributes."""
    if constructor is not None:
        for mapping in mappings_in(constructor):
            if isinstance(mapping, ast.Name) and mapping.id in parameters(constructor):
                return mapping
    return None


def _is_phase(name: str) -> bool:
    return hints.is_training_flag(name) or name.endswith("training")


def _from_constructor(module: Module, node: ast.ClassDef, name: str) -> ast.expr | None:
    """The parameter or constant that a flag is set to for good.

    It is set by the constructor, perhaps with all that it is given; a constant also by
    the body of the class.
    """
    if not hints.is_flag_like(name) or "trainable" in name.lower():
        return None
    own = members(module, node)
    constructor = own.methods.get("__init__")
    if name in own.methods:
        return None
    settings = _settings_of(module, constructor)
    if settings is not None and not is_set_from_outside(module, name, False):
        within = (constructor, node)  # or it may switch between the phases
        if _is_phase(name) and all(
            module.scopes.scope_of(x).node in within for x in own.assigned(name)
        ):
            return settings
    match own.given(name):
        case [given] if not is_set_from_outside(module, name):
            function = module.scopes.enclosing_function(given)
            if function is not None and function is not constructor:
                return None
            passed = () if constructor is None else parameters(constructor)
            if isinstance(given, ast.Name) and given.id in passed:
                return given if _is_phase(name) else None
            is_flag = isinstance(given, ast.Constant) and isinstance(given.value, bool)
            alone = len(attribute_given(Class(module, node), name)) == 1
            if is_flag and alone and not is_set_elsewhere(module, name):
                return given
    return None
