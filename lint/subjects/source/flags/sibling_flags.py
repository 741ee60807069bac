"""Layers called without the phase where others get it, or where none does.

That is in the `call` of a class, its own or one that it inherits, and in the methods
that it uses, with the parameter or without it.

As a rule they inherit it from the call around them. Where nothing calls the class as a
layer, as in `network.call(x, training=True)` or a `fit` on JAX, they are left in
inference mode.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from ....semantics import FIT_ON_JAX_BYPASSES_CALLING
from ..networks.sublayers import gets_phase_elsewhere
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.memo import found_once
from ..reading.nodes import last_word
from ..reading.values import Class, Routine, default_of, parameters
from ..resolving.classes import calls_in, keras_kind, keyword, reached
from ..resolving.lineage import method_of
from ..resolving.local_calls import calls_of
from ..resolving.members import attribute_of_self, members
from ..resolving.resolve import values
from ..resolving.saying import FLAG, passes_flag_on, says, says_otherwise
from .helper_flags import has_no_phase, lost_in_helpers
from .leaks import is_layer
from .left_defaults import inferring_default, passes
from .phase_layers import (
    depends_on_phase,
    mentions_flag,
    only_drops,
    reads_flag_of,
)
from .unflagged_on_jax import gets_flag, unflagged_on_jax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function


@dataclass(frozen=True)
class LeftOut:
    """A call of a layer that depends on the phase, beside one that gets it.

    Attributes:
        call: the call.
        beside: the layer that gets the phase, as written; nothing if none gets it,
            though the method around takes the phase.
        helper: the method around it, or the function that is called with the layer or
            calls it, if that has no parameter for the phase.
        layer: the layer in such a function, as written.
        default: the flag that a helper which is called instead is then left at: that of
            inference, or True.
    """

    call: ast.Call
    beside: str = ""
    helper: str = ""
    layer: str = ""
    default: ast.Constant | None = None


@found_once
def left_out(module: Module) -> Iterator[LeftOut]:
    """Yield such calls in the `call` of a Keras class, and in what it uses, each once.

    Errors on JAX are left out.
    """
    found = {omission.call: omission for omission in _left_out(module)}
    if found and keras_for(module).has(FIT_ON_JAX_BYPASSES_CALLING):
        for found_call in unflagged_on_jax(module):
            found.pop(found_call.call, None)
    yield from found.values()


def _left_out(module: Module) -> Iterator[LeftOut]:
    passing = [call.lineno for call in module.calls if _passes_on(call)]
    for node in module.classes if module.mentions(FLAG) else ():
        cls = Class(module, node)
        if not _has_flags(module, node) or keras_kind(cls) is None:
            continue
        for method in members(module, node).methods.values():
            yield from _left_at_true(module, method)
        if not _may_leave_out(module, node):
            continue
        here = [one for one in reached(cls, "call") if one.module is module]
        passes = {
            routine.node
            for routine in here
            if any(
                routine.node.lineno <= line <= (routine.node.end_lineno or 0)
                for line in passing
            )
        }
        for routine in here:
            if passes:
                yield from _in_helpers(cls, routine)
            if FLAG not in parameters(routine.node):
                continue
            if routine.node in passes:
                yield from _beside_others(module, routine.node)
            elif _uses_no_flag(module, routine.node):
                yield from islice(_inconsistent(module, cls, routine.node), 1)
            else:
                continue
            yield from _left_at_default(module, routine.node)


def _has_flags(module: Module, node: ast.ClassDef) -> bool:
    """Whether it has a `call`, or a method with the flag."""
    own = members(module, node).methods
    return "call" in own or (
        bool(node.bases) and any(FLAG in parameters(method) for method in own.values())
    )


def _may_leave_out(module: Module, node: ast.ClassDef) -> bool:
    """Whether it has a `call`, or inherits one that may run its methods."""
    return method_of(Class(module, node), "call") is not None


def passes_flag_to_sublayers(module: Module, function: Function) -> bool:
    """Whether a function passes its flag on to anything but its base class."""
    return any(
        _passes_on(call) and not ast.unparse(call.func).startswith("super(")
        for call in calls_in(module, function)
    )


def leaves_flag_out(cls: Class) -> bool:
    """Whether its `call` leaves out a layer of the project that reads the flag."""
    return any(
        is_layer(routine.module, call)
        and not gets_flag(routine.module, call)
        and reads_flag_of(routine.module, call.func)
        for routine in reached(cls, "call")
        for call in calls_in(routine.module, routine.node)
    )


def _beside_others(module: Module, function: Function) -> Iterator[LeftOut]:
    passing = next(filter(_passes_on, calls_in(module, function)), None)
    if passing is not None:
        for omission in _left_out_in(module, function):
            yield replace(omission, beside=ast.unparse(passing.func))


def _inconsistent(module: Module, cls: Class, function: Function) -> Iterator[LeftOut]:
    """What a layer leaves out, or a model that passes the phase on elsewhere."""
    for found_call in _left_out_in(module, function):
        if keras_kind(cls) == "layer" or gets_phase_elsewhere(
            module, found_call.call.func
        ):
            yield found_call


def _in_helpers(cls: Class, routine: Routine) -> Iterator[LeftOut]:
    """What helpers leave out that cannot get the phase, unlike others in the class."""
    name = getattr(routine.node, "name", "")
    if name != "call" and has_no_phase(routine.node):
        for omission in islice(_left_out_in(routine.module, routine.node), 1):
            yield replace(omission, helper=name)
    for call, helper, layer in lost_in_helpers(cls, routine):
        yield LeftOut(call, helper=helper, layer=layer)


def _left_at_default(module: Module, function: Function) -> Iterator[LeftOut]:
    """The calls of helpers that hand their own default on, and get no flag.

    A method must get one beside; where none of its calls passes one, BN104 reports it.
    """
    for call, helper in _calls_without_flag(module, function):
        default = _default_handed_on(helper)
        if default and (
            helper.owner is None or _is_given_beside(module, helper, call, function)
        ):
            yield LeftOut(call, default=default)


def _left_at_true(module: Module, function: Function) -> Iterator[LeftOut]:
    """The calls of helpers that train by default, whatever phase the caller is in.

    The caller takes the phase, and passes it on elsewhere or uses it for nothing.
    """
    if FLAG not in parameters(function) or not (
        any(map(_passes_on, calls_in(module, function)))
        or _uses_no_flag(module, function)
    ):
        return
    for call, helper in _calls_without_flag(module, function):
        match default_of(helper.node, FLAG):
            case ast.Constant(value=True) as default if mentions_flag(helper.node):
                if not _is_asked_before(module, call, function):
                    yield LeftOut(call, default=default)


def _calls_without_flag(
    module: Module, function: Function
) -> Iterator[tuple[ast.Call, Routine]]:
    """The calls that pass no phase to methods of the instance, or to functions."""
    for call in _own_calls(module, function):
        if says(module, call).is_nothing:
            on_self = attribute_of_self(call.func, "self") is not None
            for value in values(module, call.func):
                if isinstance(value, Routine) and (
                    on_self or value.module.owner_of(value.node) is None
                ):
                    yield call, value


def _own_calls(module: Module, function: Function) -> list[ast.Call]:
    """The calls that the function itself runs, not one inside of it."""
    return [
        call
        for call in calls_in(module, function)
        if module.scopes.enclosing_function(call) is function
    ]


def _default_handed_on(helper: Routine) -> ast.Constant | None:
    """The default of its flag, if it means inference and is passed to layers."""
    default = inferring_default(helper.module, helper.node, FLAG)
    passed = default and passes_flag_to_sublayers(helper.module, helper.node)
    return default if passed else None


def _is_given_beside(
    module: Module, method: Routine, call: ast.Call, function: Function
) -> bool:
    """Whether the method gets a flag in the same run of the function."""
    own = _own_calls(module, function)
    return any(
        other in own
        and module.scopes.may_precede(other, call)
        and passes(other, method.node, FLAG, skipped)
        for other, skipped in calls_of(module, method.node)
    )


def _left_out_in(module: Module, function: Function) -> Iterator[LeftOut]:
    for call in calls_in(module, function):
        if (
            (call.args or call.keywords)
            and _is_reference(call.func)
            and not _passes_on(call)
            and not gets_flag(module, call)
            and not says_otherwise(call)
            and (depends_on_phase(module, call.func) or only_drops(module, call.func))
            and not _is_asked_before(module, call, function)
        ):
            yield LeftOut(call)


def _is_reference(called: ast.expr) -> bool:
    """Whether it names a layer, and does not make it."""
    return isinstance(called, ast.Attribute | ast.Name | ast.Subscript) or (
        isinstance(called, ast.Call) and last_word(called.func) == "getattr"
    )


def _passes_on(call: ast.Call) -> bool:
    """Whether it passes the flag on by name, or by place as some layers take it."""
    return passes_flag_on(call) or any(
        isinstance(node, ast.Name) and node.id == FLAG for node in call.args[1:]
    )


def _uses_no_flag(module: Module, function: Function) -> bool:
    """Whether it neither reads its parameter nor passes another phase."""
    return not mentions_flag(function) and all(
        keyword(call, FLAG) is None for call in calls_in(module, function)
    )


def _is_asked_before(module: Module, call: ast.Call, function: Function) -> bool:
    """Whether a branch around it checks the phase, or a name says it samples.

    So does one for layers that turned the flag down.
    """
    for outer in module.scopes.ancestors(call):
        if outer is function:
            break
        if isinstance(outer, ast.ExceptHandler):
            return True
        if isinstance(outer, ast.If | ast.IfExp) and hints.speaks_of_phase(
            ast.unparse(outer.test)
        ):
            return True
    return hints.is_meant_random(getattr(function, "name", ""))
