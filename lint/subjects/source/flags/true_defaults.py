"""Functions that infer with a network that they are given, and train by default."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.nodes import last_word
from ..reading.values import Class, Known, Parameter, Result, default_of
from ..resolving.classes import calls_in, keras_kind
from ..resolving.resolve import values
from ..resolving.saying import FLAG, How, says
from ..training.tapes import stands_in_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_DEFAULT = re.compile(r"training(?<=\btraining)\b[^,()=]*=\s*True\s*[,)]")
# What a training step reads of a network, and what runs one.
_TRAINS = re.compile(r"\.(trainable_(variables|weights)|(fit|train)(_\w+)?\()")


def true_defaults(module: Module) -> Iterator[ast.Constant]:
    """Yield the default True of each such function, in a module that trains nothing.

    It infers if it takes gradients for its inputs, or by its name.
    """
    if module.is_test or not module.matches(_DEFAULT) or module.matches(_TRAINS):
        return
    for function in module.scopes.of(ast.FunctionDef):
        match default_of(function, FLAG):
            case ast.Constant(value=True) as default if _is_plain(module, function):
                if any(
                    _runs_network(module, call, function)
                    for call in calls_in(module, function)
                ):
                    yield default


def _is_plain(module: Module, function: ast.FunctionDef) -> bool:
    """Whether it is no method of Keras, and not meant to sample."""
    owner = module.owner_of(function)
    around = (function.name, "" if owner is None else owner.name)
    return (owner is None or keras_kind(Class(module, owner)) is None) and not any(
        map(hints.is_meant_random, around)
    )


def _runs_network(module: Module, call: ast.Call, function: ast.FunctionDef) -> bool:
    """Whether a call hands the flag to a network that is given, not made, to infer."""
    said = says(module, call)
    return (
        said.how is How.PASSED_ON
        and said.function is function
        and said.parameter == FLAG
        and (
            _watches_inputs(module, call, function)
            or hints.is_evaluation(function.name)
            or hints.only_infers(function.name)
        )
        and any(map(_is_given, values(module, call.func)))
    )


def _watches_inputs(module: Module, call: ast.Call, function: ast.FunctionDef) -> bool:
    """Whether it is run by a tape that watches what the network is called on."""
    return stands_in_tape(module, call) and any(
        last_word(other.func) == "watch" for other in calls_in(module, function)
    )


def _is_given(network: object) -> bool:
    """Whether it is passed in, or made of parts of what is."""
    match network:
        case Parameter():
            return True
        case Result(maker=Known("keras.Model")):
            return True
    return False
