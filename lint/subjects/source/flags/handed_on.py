"""Layers to which a `call` passes its flag on, also under another name."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_of_class
from ..networks.frozen import freezes
from ..reading import hints
from ..reading.limits import FLAGS_HANDED
from ..reading.nodes import arguments_of
from ..reading.values import (
    Class,
    Known,
    Result,
    Routine,
    Self,
    argument_for,
    default_of,
    parameters,
)
from ..resolving.classes import calls_in, keras_kind, takes_training
from ..resolving.lineage import method_of
from ..resolving.members import members
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function


@dataclass(frozen=True)
class Misnamed:
    """A flag that has another name than `training`.

    Attributes:
        cls: the class.
        argument: the parameter.
        default: its default: True, False or None.
        kinds: the kinds of the layers that it is passed to.
        worked_out: whether these get what a condition makes of it, which is `default`.
    """

    cls: Class
    argument: ast.arg
    default: bool | None
    kinds: frozenset[str]
    worked_out: bool = False


def misnamed_flags(module: Module) -> Iterator[Misnamed]:
    """Yield each flag of a `call` in the module that only the caller could pass."""
    for node in module.classes:
        cls = Class(module, node)
        call = members(module, node).methods.get("call")
        flags = [] if call is None else [*filter(_is_flag, arguments_of(call))]
        if call is None or not flags or takes_training(call) or keras_kind(cls) is None:
            continue
        for argument in flags:
            default = default_of(call, argument.arg)
            if not isinstance(default, ast.Constant):
                continue
            kinds = kinds_handed_on(module, call, argument.arg)
            if kinds and (default.value is None or isinstance(default.value, bool)):
                yield Misnamed(cls, argument, default.value, kinds)


def _is_flag(argument: ast.arg) -> bool:
    return hints.is_training_flag(argument.arg)


def kinds_handed_on(
    module: Module, function: Function, name: str, depth: int = 0
) -> frozenset[str]:
    """Return the kinds of layers that get a function's parameter as their flag."""
    kinds: frozenset[str] = frozenset()
    for call in calls_in(module, function):
        taken = [
            keyword
            for keyword in call.keywords
            if isinstance(keyword.value, ast.Name) and keyword.value.id == name
        ]
        by_place = [argument for argument in call.args[1:2] if _is_name(argument, name)]
        if not (taken or by_place) or freezes(module).covers(call.func):
            continue
        for value in values(module, call.func):
            kinds |= _taken_by(value, call, name, depth)
    return kinds


def hands_out_of_sight(module: Module, name: str) -> bool:
    """Whether a `call` of the module passes a flag of that name on to the unknown.

    As in `for block in self.blocks: x = block(x, is_training)`, if it is not in sight
    what makes these blocks.
    """
    for node in module.classes:
        call = members(module, node).methods.get("call")
        if call is None or name not in parameters(call):
            continue
        for inner in calls_in(module, call):
            given = [*inner.args[1:], *(keyword.value for keyword in inner.keywords)]
            if any(_is_name(one, name) for one in given) and not any(
                isinstance(value, Class | Self | Result | Routine)
                and getattr(value, "maker", None) != Known("eval")
                for value in values(module, inner.func)
            ):
                return True
    return False


def _taken_by(value: object, call: ast.Call, name: str, depth: int) -> frozenset[str]:
    """Return the kinds a layer is, or holds, that takes the parameter as its flag."""
    match value:
        case Result(maker=Known(maker)):
            by_name = any(
                keyword.arg == "training" and _is_name(keyword.value, name)
                for keyword in call.keywords
            )
            by_place = any(_is_name(operand, name) for operand in call.args[1:2])
            return names.kinds_named(maker) if by_name or by_place else frozenset()
        case Self(cls) | Result(maker=Class() as cls):
            routine = method_of(cls, "call")
            handed = () if routine is None else _handed(routine, 1, call, name)
            kinds = kinds_of_class(cls) if "training" in handed else frozenset()
        case Routine() as routine:
            skipped = int(routine.owner is not None)
            handed, kinds = _handed(routine, skipped, call, name), frozenset()
        case _:
            return frozenset()
    if routine is not None and depth < FLAGS_HANDED:
        for argument in handed:
            kinds |= kinds_handed_on(routine.module, routine.node, argument, depth + 1)
    return kinds


def _handed(
    routine: Routine, skipped: int, call: ast.Call, name: str
) -> tuple[str, ...]:
    """The parameters of a function that get the value of that name."""
    return tuple(
        argument.arg
        for argument in arguments_of(routine.node)
        if (passed := argument_for(call, routine.node, argument.arg, skipped))
        is not None
        and _is_name(passed, name)
    )


def _is_name(expression: ast.expr, name: str) -> bool:
    return isinstance(expression, ast.Name) and expression.id == name
