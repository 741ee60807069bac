"""The constant that a call passes as its flag, wherever that is written."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.nodes import Function
from ..resolving.named_flags import named_flag
from ..resolving.passed import collected, passed_for
from ..resolving.saying import FLAG, How, Said
from ..resolving.switches import constants_of
from ..statistics.batch_norm_calls import calls_base, is_function
from .flag_places import FlagPlace
from .left_defaults import left_at_default, passed_by_all

if TYPE_CHECKING:
    from ..reading.module import Module


@dataclass(frozen=True)
class Given:
    """A flag that is a constant.

    Attributes:
        value: the flag.
        by_default_of: the method whose default it is, as no call passes another.
        by_calls_of: the method whose calls all pass it.
        is_switch: whether it comes from a constant, or entry, that has a name and may
            be meant to be edited.
    """

    value: bool | None
    by_default_of: str = ""
    by_calls_of: str = ""
    is_switch: bool = False

    @property
    def is_left(self) -> bool:
        """Whether the method around it is given no other flag."""
        return bool(self.by_default_of or self.by_calls_of)


def given_flag(
    module: Module, call: ast.Call, said: Said, where: FlagPlace
) -> Given | None:
    """Return the constant that a call passes; None if it is not known to be one."""
    if where is FlagPlace.CALL:
        around = getattr(said.function, "name", "")
        left = left_at_default(module, said)
        if left is not None:
            return Given(left.value, by_default_of=around)  # type: ignore[arg-type]
        passed = passed_by_all(module, said)
        if passed is not None:
            value = None if passed.value is None else bool(passed.value)
            return Given(value, by_calls_of=around)
    is_switch = where is FlagPlace.GRAPH and _is_switch(module, said)
    if said.how is How.CONSTANT:
        return Given(said.flag, is_switch=is_switch)
    flag = _passed_flag(module, call, said, where)
    if flag is None:
        return None
    if where is not FlagPlace.GRAPH:
        in_call = where is FlagPlace.CALL and not calls_base(module, call)
        is_switch = in_call or flag is False
    return Given(flag, is_switch=is_switch)


def _is_switch(module: Module, said: Said) -> bool:
    value = getattr(said.node, "value", None)
    if said.how is How.PASSED_ON:
        return isinstance(said.function, Function) and not all(
            given is not None and isinstance(given[1], ast.Constant)
            for given in passed_for(module, said.function, said.parameter, None)
        )
    return isinstance(value, ast.Name | ast.Subscript | ast.UnaryOp)


def _passed_flag(
    module: Module, call: ast.Call, said: Said, where: FlagPlace
) -> bool | None:
    """The one flag that a parameter, or an attribute, is always given; None else.

    In a `call`, that is a constant that has a name; or True for a BN layer that calls
    its base.
    """
    if not isinstance(said.node, ast.keyword) or is_function(module, call):
        return None
    value = said.node.value
    if where is FlagPlace.GRAPH:
        may_tell = ast.Name | ast.Attribute | ast.Subscript | ast.UnaryOp
        if said.how is not How.PASSED_ON and not isinstance(value, may_tell):
            return None
        found = constants_of(module, value)
        if said.packed:
            found = _collected_flags(module, value)
        return found[0] if found in ([True], [False]) else None  # type: ignore[return-value]
    if said.how is not How.SOMETHING:
        return None
    if calls_base(module, call):
        return True if True in constants_of(module, value) else None
    return named_flag(module, value)


def _collected_flags(module: Module, packed: ast.expr) -> list[object]:
    """The flags that calls pass into `**kwargs`, each once."""
    given = collected(module, packed, FLAG, None, None) or ()
    flags: dict[object, None] = {}
    for one in given:
        flags |= dict.fromkeys([None] if one is None else constants_of(*one))
    return list(flags)
