"""The phase that a call gets which runs in a training step."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ..reading.nodes import Function, last_word, nodes_in
from ..reading.values import argument_for, default_of, parameters, unpacks
from ..resolving.callers import all_calls
from ..resolving.members import (
    is_set_elsewhere,
    is_set_from_outside,
    members,
    self_name,
)
from ..resolving.named_flags import named_flag
from ..resolving.runs import Run
from ..resolving.saying import FLAG, How, local_value, says, says_otherwise
from ..resolving.switches import truth

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..resolving.saying import Said
    from .running import Running


# Also a parameter that is set again: `if training is None: training = False`.
_WORKED_OUT = ast.Compare | ast.UnaryOp | ast.BoolOp | ast.IfExp | ast.Name


def loses_flag(run: Running) -> Running | None:
    """The call, or the one before it, that leaves the phase out; None if none.

    A parameter that is passed on is what the callers on the way pass, or else all
    callers.
    """
    return _phase(run)[0]


def infers(run: Running) -> Running | None:
    """The call, or the one before it, that passes False; None if none."""
    return _phase(run)[1]


def _phase(run: Running) -> tuple[Running | None, Running | None]:
    """Where the phase is left out, and where it is False."""
    if says_otherwise(run.call) or _is_cut_off(run.module, run.call):
        return None, None
    step, said, name = run, says(run.module, run.call), FLAG
    passes_nothing = True  # an argument left out passes no phase either
    passes_false = False
    while said.how is How.PASSED_ON:
        caller, routine = step.caller, step.routine
        if caller is None or routine is None:
            if _never_given(step.module, said):
                return run, None
            return None, run if _always_off(step.module, said) else None
        if routine.node is not said.function:
            return None, None
        if not said.packed:
            name = said.parameter
            passes_nothing = _defaults_to_no_phase(routine.node, name)
            default = default_of(routine.node, name)
            passes_false = (
                isinstance(default, ast.Name | ast.Attribute)
                and named_flag(routine.module, default) is False
            )
        step, said = caller, says(caller.module, caller.call, name=name)
    left = _worked_out_as_false(step, said)
    if left is not None:
        return (left, None) if left.call is not step.call else (None, step)
    said = _kept_constant(step.module, said)
    lost = (said.is_nothing and passes_nothing) or said.is_constant(None)
    off = said.is_constant(False) or _is_off_by_name(step.module, said)
    off = off or (said.is_nothing and passes_false)
    return step if lost else None, step if off else None


def _worked_out_as_false(step: Running, said: Said) -> Running | None:
    """Where `training=(mode == "train")` comes out as False; None if it does not.

    That is the caller, if it leaves `mode` at its default, or else the call itself.
    """
    caller, routine = step.caller, step.routine
    if said.how is not How.SOMETHING or caller is None or routine is None:
        return None
    if not isinstance(said.node, ast.keyword):
        return None
    given = local_value(step.module, said.node.value)
    if not isinstance(given, _WORKED_OUT):
        return None
    asked = parameters(routine.node) & {
        name.id for name in ast.walk(given) if isinstance(name, ast.Name)
    }
    asked -= {self_name(routine.node) if routine.owner is not None else None}
    if not asked or truth(step.module, given, _run_of(step)) is not False:
        return None
    skipped = int(routine.owner is not None)
    is_given = any(
        argument_for(caller.call, routine.node, name, skipped) is not None
        for name in asked
    )
    return step if is_given or unpacks(caller.call) else caller


def _run_of(step: Running) -> Run | None:
    """The calls on the way to a step, by which conditions are known."""
    caller, routine = step.caller, step.routine
    if caller is None or routine is None:
        return None
    outer = _run_of(caller)
    skipped = int(routine.owner is not None)
    key = (routine.node, caller.call, outer and outer.key)
    return Run(routine.node, caller.module, caller.call, skipped, outer, key)


def _defaults_to_no_phase(function: Function, name: str) -> bool:
    """Whether a parameter left out passes no phase: its default is None or False."""
    match default_of(function, name):
        case ast.Constant(value=False | None):
            return True
    return False


def _kept_constant(module: Module, said: Said) -> Said:
    """What is said by an attribute that nothing sets but to one constant."""
    match said.node:
        case ast.keyword(value=ast.Attribute(value=ast.Name(id="self"), attr=name)) if (
            said.how is How.SOMETHING
        ):
            given = [
                expression
                for cls in module.classes
                for expression in members(module, cls).given(name)
            ]
            match given:
                case [ast.Constant(value=False | None as flag)] if not (
                    is_set_from_outside(module, name) or is_set_elsewhere(module, name)
                ):
                    return replace(said, how=How.CONSTANT, flag=flag)
    return said


def _never_given(module: Module, said: Said) -> bool:
    """Whether all calls of a function in sight leave its flag at None or False."""
    function, name = said.function, said.parameter
    if said.packed or function is None or not _defaults_to_no_phase(function, name):
        return False
    calls = all_calls(module, function)
    return bool(calls) and not any(
        argument_for(call, function, name, skipped) is not None or unpacks(call)
        for _, call, skipped in calls
    )


def _always_off(module: Module, said: Said) -> bool:
    """Whether all calls of a function in sight pass False for its flag.

    Not if it asks that flag itself, as by `if training:`.
    """
    function, name = said.function, said.parameter
    if said.packed or function is None or _asks(function, name):
        return False
    given = [
        argument_for(call, function, name, skipped)
        for _, call, skipped in all_calls(module, function)
    ]
    return bool(given) and all(
        isinstance(one, ast.Constant) and one.value is False for one in given
    )


def _asks(function: Function, name: str) -> bool:
    return any(
        isinstance(asked, ast.Name) and asked.id == name
        for node in nodes_in(function)
        if isinstance(node, ast.If | ast.IfExp | ast.While)
        for asked in nodes_in(node.test)
    )


def _is_off_by_name(module: Module, said: Said) -> bool:
    """Whether it is a constant, or a setting, that is always False."""
    return (
        said.how is How.SOMETHING
        and isinstance(said.node, ast.keyword)
        and said.node.arg is not None
        and named_flag(module, said.node.value) is False
    )


def _is_cut_off(module: Module, call: ast.Call) -> bool:
    """Whether no gradient flows back through the call: `net(x).detach()`."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.stmt):
            return False
        cuts = isinstance(outer, ast.Attribute) and outer.attr in ("detach", "data")
        if cuts or _last_of_call(outer) == "stop_gradient":
            return True
    return False


def _last_of_call(node: ast.AST) -> str:
    return last_word(node.func) if isinstance(node, ast.Call) else ""
