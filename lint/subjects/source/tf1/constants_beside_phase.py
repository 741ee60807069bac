"""Constant flags of TensorFlow 1 networks, in classes that are given the phase."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.nodes import last_word
from ..reading.values import Class, Known, parameters
from ..resolving.classes import keras_kind, keyword
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG_OF_FUNCTIONS as FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_GIVEN = re.compile(r"is_training(?<=\bis_training)\s*=\s*(True|False)\b")
_LAYERS = names.BATCH_NORM_FUNCTIONS | names.DROPOUT_FUNCTIONS
_OTHER_USE = re.compile(
    r"test|eval|valid|infer|predict|sampl|generat|export|serv|restor|summar|visuali"
    r"|plot|_init_",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BesidePhase:
    """A constant flag in a method of a class that keeps the phase.

    Attributes:
        node: the argument.
        flag: the constant.
        phase: the attribute that keeps the phase.
    """

    node: ast.keyword
    flag: bool
    phase: str


def constants_beside_phase(module: Module) -> Iterator[BesidePhase]:
    """Yield each such argument, of what is called with no other flag in the module.

    True only counts where the same method asks for the phase, and False elsewhere.
    """
    if not module.matches(_GIVEN) or not keras_for(module).legacy or module.is_test:
        return
    for node in module.classes:
        phase = _phase_kept(module, node)
        if phase is None or keras_kind(Class(module, node)) is not None:
            continue
        for call in module.calls:
            flag = _constant_flag(module, call, node)
            if flag is not None and _is_for_any_phase(module, call, phase):
                yield BesidePhase(flag, flag.value.value, phase)  # type: ignore[attr-defined]


def _phase_kept(module: Module, node: ast.ClassDef) -> str | None:
    """The attribute to which the constructor sets a parameter that is the phase."""
    constructor = members(module, node).methods.get("__init__")
    for inner in ast.walk(constructor) if constructor is not None else ():
        match inner:
            case ast.Assign(
                targets=[ast.Attribute(attr=name)], value=ast.Name(id=given)
            ) if hints.is_training_flag(name.strip("_")) and "trainable" not in name:
                if given in parameters(constructor):  # type: ignore[arg-type]
                    return name
    return None


def _constant_flag(
    module: Module, call: ast.Call, node: ast.ClassDef
) -> ast.keyword | None:
    given = keyword(call, FLAG)
    if (
        not (isinstance(given, ast.Constant) and isinstance(given.value, bool))
        or module.scopes.enclosing_class(call) is not node
        or any(
            isinstance(value, Known) and value.name in _LAYERS
            for value in values(module, call.func)
        )
    ):
        return None
    return next(argument for argument in call.keywords if argument.arg == FLAG)


def _is_for_any_phase(module: Module, call: ast.Call, phase: str) -> bool:
    function = module.scopes.enclosing_function(call)
    if not isinstance(function, ast.FunctionDef) or _OTHER_USE.search(function.name):
        return False
    for outer in module.scopes.ancestors(call):
        if outer is function:
            break
        if isinstance(outer, ast.If | ast.IfExp) and hints.speaks_of_phase(
            ast.unparse(outer.test)
        ):
            return False
    called, flag = last_word(call.func), ast.unparse(keyword(call, FLAG) or call)
    otherwise = any(
        other is not call
        and last_word(other.func) == called
        and ast.unparse(keyword(other, FLAG) or other) != flag
        for other in module.calls
    )
    asks = _asks_for(function, phase)
    meant = not called or _OTHER_USE.search(called)
    return not (meant or otherwise) and asks == (flag == "True")


def _asks_for(function: Function, phase: str) -> bool:
    me = self_name(function)
    return any(attribute_of_self(node, me) == phase for node in ast.walk(function))
