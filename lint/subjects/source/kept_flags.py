"""Flags that a layer is built with and passes to its own, whatever `call` gets."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import names
from . import hints
from .classes import calls_in, keras_kind, keyword, reached
from .contents import holds
from .members import attribute_of_self, members, self_name
from .saying import FLAG
from .values import Class, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_KEPT = re.compile(r"\btraining\s*=\s*self\.")


@dataclass(frozen=True)
class Kept:
    """A call of BN, or of what holds BN, with a flag of the constructor.

    Attributes:
        flag: the argument.
        name: the attribute that keeps the flag.
    """

    flag: ast.keyword
    name: str


def kept_flags(module: Module) -> Iterator[Kept]:
    """Yield such calls in the `call` of a Keras class and what it uses, each once."""
    if not module.matches(_KEPT):
        return
    seen: set[ast.keyword] = set()
    for node in module.classes:
        of = Class(module, node)
        if "call" not in members(module, node).methods or keras_kind(of) is None:
            continue
        for routine in reached(of, "call"):
            if routine.module is not module:
                continue
            me = self_name(routine.node)
            for call in calls_in(module, routine.node):
                given = keyword(call, FLAG)
                name = None if given is None else attribute_of_self(given, me)
                if name is None or not _is_from_constructor(module, node, name):
                    continue
                if names.BATCH_NORM in holds(module, call.func):
                    flag = next(each for each in call.keywords if each.arg == FLAG)
                    if flag not in seen:
                        seen.add(flag)
                        yield Kept(flag, name)


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
        and not _is_set_from_outside(module, name)
    )


def _is_set_from_outside(module: Module, name: str) -> bool:
    """Whether something sets it on another object, or by its name."""
    use = re.compile(rf"(?<!\bself)\.{name}\s*=(?!=)|setattr\(")
    return module.matches(use)
