"""Settings of dropout, batch normalization or freezing that are lost on their way."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_of_class
from ..reading.values import (
    Class,
    Routine,
    argument_for,
    default_of,
    parameters,
    unpacks,
)
from ..resolving.classes import calls_in, keras_kind
from ..resolving.lineage import method_of
from ..resolving.members import members
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

# What a setting of such a name is of.
_OF = {
    names.DROPOUT: re.compile(r"(^|_)drop(out|path|_|$)"),
    names.BATCH_NORM: re.compile(r"(^|_)(bn|batch_?norm(alization)?)(_|$)|momentum"),
}
_SETTING = re.compile(
    rf"{'|'.join(setting.pattern for setting in _OF.values())}|freez|train(able|ing)"
)


@dataclass(frozen=True)
class LostSetting:
    """A part of a network that is made without a setting that its maker is given.

    Attributes:
        node: the call that leaves it out, or the argument that stands for it.
        name: the setting.
        made: what is made, as written.
        instead: the default that it keeps, or what it gets instead.
        is_mixed_up: whether it gets something else, and nothing uses the setting.
    """

    node: ast.AST
    name: str
    made: str
    instead: str
    is_mixed_up: bool = False


def lost_settings(module: Module) -> Iterator[LostSetting]:
    """Yield each such part of the layers, models and functions of a module."""
    for node in module.classes:
        constructor = members(module, node).methods.get("__init__")
        given = set() if constructor is None else parameters(constructor)
        settings = [(name, kind) for name in sorted(given) for kind in _kinds(name)]
        if settings and keras_kind(Class(module, node)) is not None:
            made = list(_made_in(module, node))
            for name, kind in settings:
                yield from _left_out(made, name, kind)
    for function in module.scopes.of(ast.FunctionDef):
        yield from _unused(module, function)


def _kinds(name: str) -> Iterator[str]:
    """What a parameter of that name is a setting of."""
    return (kind for kind, setting in _OF.items() if setting.search(name))


def _made_in(
    module: Module, owner: ast.ClassDef
) -> Iterator[tuple[ast.Call, Class, Function]]:
    """The other classes of the project that a class makes, and their constructors."""
    for call in module.calls:
        if module.scopes.enclosing_class(call) is owner:
            for part in values(module, call.func):
                if isinstance(part, Class) and part.node is not owner:
                    constructor = method_of(part, "__init__")
                    if constructor is not None:
                        yield call, part, constructor.node


def _left_out(
    made: list[tuple[ast.Call, Class, Function]], name: str, kind: str
) -> Iterator[LostSetting]:
    """The layers that are made without it, where none of the same class gets it."""
    taking = [
        (call, part, default, argument_for(call, constructor, name, 1) or unpacks(call))
        for call, part, constructor in made
        if (default := default_of(constructor, name)) is not None
    ]
    served = {part for _, part, _, given in taking if given}
    for call, part, default, _ in taking:
        if (
            part not in served
            and keras_kind(part) is not None
            and kind in kinds_of_class(part, at_any_rate=True)
        ):
            yield LostSetting(call, name, ast.unparse(call.func), ast.unparse(default))


def _unused(module: Module, function: ast.FunctionDef) -> Iterator[LostSetting]:
    """The calls that get something else for a setting that a function never reads."""
    settings = {name for name in parameters(function) if _SETTING.search(name)}
    if not settings or function.decorator_list:
        return
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    unused = settings - read if "locals" not in read else set()
    for call in calls_in(module, function) if unused else ():
        made = ast.unparse(call.func)
        for word in call.keywords:
            if word.arg in unused and _is_fixed(word, parameters(function)):
                instead = ast.unparse(word.value)
                yield LostSetting(word, word.arg, made, instead, is_mixed_up=True)
        if module.owner_of(function) is None and not unpacks(call):
            for name, default in _defaults_kept(module, call, unused):
                yield LostSetting(call, name, made, ast.unparse(default))


def _is_fixed(given: ast.keyword, others: set[str]) -> bool:
    """Whether it is another parameter, or, other than a phase, a constant."""
    if isinstance(given.value, ast.Constant):
        return any(_kinds(given.arg or ""))
    return isinstance(given.value, ast.Name) and given.value.id in others


def _defaults_kept(
    module: Module, call: ast.Call, settings: set[str]
) -> Iterator[tuple[str, ast.expr]]:
    """The settings, and their defaults, that a function of the project reads."""
    for value in values(module, call.func):
        if not isinstance(value, Routine) or isinstance(value.node, ast.Lambda):
            continue
        read = {node.id for node in ast.walk(value.node) if isinstance(node, ast.Name)}
        for name in sorted(settings & read):
            default = default_of(value.node, name)
            passed = argument_for(call, value.node, name, int(value.owner is not None))
            if default is not None and passed is None and any(_kinds(name)):
                yield name, default
