"""Layers other than BN that the `call` of a Keras class runs in one phase alone."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....semantics import FUNCTIONAL_FLAG_IS_OVERRIDDEN
from ... import names
from ..networks.contents import kinds_held
from ..networks.frozen import freezes
from ..networks.rates import drops_in_every_phase, is_constant_rate
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.nodes import last_word
from ..reading.values import Class, Known, Parameter, Result, Routine, parameters
from ..resolving.classes import (
    calls_in,
    keras_kind,
    keyword,
    reached,
    takes_training,
)
from ..resolving.lineage import method_of
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG, passes_flag_on, says
from .flag_places import FlagPlace, flag_place
from .phase_layers import RANDOM, drops_at_some_rate
from .usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value

# Functions that drop whenever they are called.
_FUNCTIONS = {
    *("tensorflow.nn.dropout", "keras.random.dropout", "keras.backend.dropout"),
    *("tensorflow.nn.experimental.stateless_dropout", "keras.random.alpha_dropout"),
}
_OFF = re.compile(r"training\s*=\s*False\b")
_ON = re.compile(r"training\s*=\s*(True\b|[\w.]+\s*(>|!=))")


@dataclass(frozen=True)
class AlwaysOn:
    """A call in a `call` of Keras that is run in one phase whatever the caller's.

    Attributes:
        node: the flag, or the call of a function that drops by itself.
        called: what is called, as written.
        is_function: whether it is such a function.
        surely: whether that function drops at a rate that is a number; of a constant
            False, whether dropout is seen, in what may be trained.
        drops: of a constant False, whether dropout is seen.
    """

    node: ast.AST
    called: str
    is_function: bool = False
    surely: bool = False
    drops: bool = False


def always_on(module: Module) -> Iterator[AlwaysOn]:
    """Yield each such call.

    It is dropout or noise; a layer beside others that get the caller's phase; a method
    of a class whose `call` has no phase to pass; or there, a function that drops.
    """
    if not (module.mentions("dropout(") or module.matches(_ON)):
        return
    seen: set[ast.Call] = set()
    for cls, routine, passed_on in _in_calls(module):
        for call in calls_in(module, routine.node):
            if _drops_by_itself(cls, routine, call):
                constant = _drops_at_constant(module, call)
                surely = constant and "drop" not in cls.node.name.lower()
                if constant or _asks_for_no_phase(cls, routine):
                    yield AlwaysOn(call, ast.unparse(call.func), True, surely)
                continue
            flag = _flag_that_is_on(module, call)
            if (
                flag is not None
                and call not in seen
                and _matters(cls, call, routine.node, passed_on)
                and flag_place(module, call, is_layer=False) is FlagPlace.CALL
            ):
                seen.add(call)
                yield AlwaysOn(flag, ast.unparse(call.func))


def always_off(module: Module) -> Iterator[AlwaysOn]:
    """Yield each call with a constant False, beside others that get the phase.

    What is seen to hold dropout counts by itself. Names may say that what is called is
    meant to stay still.
    """
    if not module.matches(_OFF):
        return
    seen: set[ast.Call] = set()
    for cls, routine, passed_on in _in_calls(module):
        for call in calls_in(module, routine.node):
            flag = _flag_of(call)
            if (
                flag is not None
                and says(module, call).is_constant(False)
                and call not in seen
                and (passed_on or _holds_dropout(module, call))
                and not hints.keeps_still(ast.unparse(call.func))
                and not freezes(module).covers(call.func)
                and _matters(cls, call, routine.node, passed_on)
                and flag_place(module, call, is_layer=False) is FlagPlace.CALL
            ):
                seen.add(call)
                drops = _holds_dropout(module, call)
                surely = drops and not _is_idle(cls)
                called = ast.unparse(call.func)
                yield AlwaysOn(flag, called, surely=surely, drops=drops)


def _holds_dropout(module: Module, call: ast.Call) -> bool:
    """Whether what is called is seen to drop, and is not handed in."""
    return names.DROPOUT in kinds_held(module, call.func) and not any(
        isinstance(value, Parameter) for value in values(module, call.func)
    )


def _is_idle(cls: Class) -> bool:
    """Whether instances are made in sight, and nothing in sight trains one."""
    usage = usage_of(cls.module, cls)
    trained = usage.fitted or usage.led or usage.parts
    return usage.made > 0 and keras_kind(cls) == "model" and not trained


def _in_calls(module: Module) -> Iterator[tuple[Class, Routine, bool]]:
    """The methods that run in a `call`, and whether they pass the phase on."""
    if not module.mentions("def call", "def __call__") or module.is_test:
        return
    # A `__call__` of its own builds graphs.
    honoured = not keras_for(module).has(FUNCTIONAL_FLAG_IS_OVERRIDDEN)
    for node in module.classes:
        cls = Class(module, node)
        name = "call"
        if name not in members(module, node).methods and honoured:
            name = "__call__"
        if name not in members(module, node).methods or keras_kind(cls) is None:
            continue
        for routine in reached(cls, name):
            if routine.module is module:
                calls = calls_in(module, routine.node)
                yield cls, routine, any(map(passes_flag_on, calls))


def _drops_by_itself(cls: Class, routine: Routine, call: ast.Call) -> bool:
    """Whether it is a function that drops, and does so in every phase."""
    if not last_word(call.func).endswith("dropout"):
        return False
    module = cls.module
    return (
        any(
            isinstance(value, Known) and value.name in _FUNCTIONS
            for value in values(module, call.func)
        )
        and module.scopes.enclosing_function(call) is routine.node
        and not any(map(hints.may_add_noise, (cls.node.name, _name(routine))))
    )


def _drops_at_constant(module: Module, call: ast.Call) -> bool:
    """Whether its rate is a number, and nothing asks for the phase."""
    rates = [keyword(call, name) for name in ("rate", "keep_prob")]
    given = next((rate for rate in (*rates, *call.args[1:2]) if rate is not None), None)
    return (
        given is not None
        and is_constant_rate(module, given)
        and drops_in_every_phase(module, call)
    )


def _asks_for_no_phase(cls: Class, routine: Routine) -> bool:
    """Whether nothing there knows the phase."""
    function = routine.node
    return (
        _has_no_phase(cls)
        and not any(
            hints.speaks_of_phase(getattr(node, "id", "") or getattr(node, "attr", ""))
            for node in ast.walk(function)
        )
        and not any(map(hints.is_flag_like, parameters(function)))
    )


def _name(routine: Routine) -> str:
    return getattr(routine.node, "name", "")


def _flag_of(call: ast.Call) -> ast.keyword | None:
    return next((argument for argument in call.keywords if argument.arg == FLAG), None)


def _flag_that_is_on(module: Module, call: ast.Call) -> ast.keyword | None:
    """The flag of a call, if it is True or says that a rate is above 0."""
    flag = _flag_of(call)
    if flag is None:
        return None
    match flag.value:
        case ast.Compare(
            left=ast.Attribute(value=ast.Name(id="self"), attr=name),
            ops=[ast.Gt() | ast.NotEq()],
            comparators=[ast.Constant(value=0)],
        ) if not hints.speaks_of_phase(name):
            return flag
    return flag if says(module, call).is_constant(True) else None


def _matters(cls: Class, call: ast.Call, function: Function, passed_on: bool) -> bool:
    module = cls.module
    kinds = kinds_held(module, call.func)
    if names.BATCH_NORM in kinds:
        return False  # BN103 says more about it
    found = values(module, call.func)
    if kinds & RANDOM or any(map(drops_at_some_rate, found)):
        return True
    if attribute_of_self(call.func, self_name(function)) is None:
        return False
    if any(isinstance(value, Routine) for value in found):
        return _has_no_phase(cls) and all(
            isinstance(value, Routine) and FLAG in parameters(value.node)
            for value in found
        )
    return passed_on and all(_may_depend_on_phase(candidate) for candidate in found)


def _has_no_phase(cls: Class) -> bool:
    call = method_of(cls, "call")
    return call is not None and not takes_training(call.node)


def _may_depend_on_phase(layer: Value) -> bool:
    """Whether it is passed in, of another library, or of the project."""
    match layer:
        case Parameter() | Result(maker=Class()):
            return True
        case Result(maker=Known(name)):
            return not name.startswith(("keras.", "tensorflow."))
    return False
