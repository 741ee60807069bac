"""What a class runs without a phase in its `call`, though it may need one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ....semantics import CALL_NEEDS_TRAINING
from ... import names
from ..networks.contents import kinds_of_class
from ..networks.sublayers import gets_phase_elsewhere
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.limits import LAYERS_INSIDE
from ..reading.memo import remembered_of_class
from ..reading.values import Class, Known, Parameter, Result
from ..resolving.classes import calls_in, keras_kind, reached, takes_training
from ..resolving.lineage import lineage, method_of
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says, says_otherwise
from .hidden_flags import hides_flag
from .leaks import stands_for_layer
from .sibling_flags import leaves_flag_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.values import Routine

# Layers of Keras that drop out if asked to; the override of `call` decides on it.
_TAKES_PHASE = re.compile(
    r"keras\.layers\.((Multi|Group)\w*Attention|(Additive)?Attention|TimeDistributed"
    r"|Bidirectional|StackedRNNCells|RNN|(LSTM|GRU|SimpleRNN|ConvLSTM\dD)(Cell)?)$"
)
# What is done with layers, and not with functions.
_OF_LAYERS = re.compile(
    r"build|trainable\w*|(non_trainable_)?(weights|variables)|get_weights|layers|losses"
    r"|updates|parameters|state_size|get_initial_state"
)


def kinds_left_open(cls: Class) -> frozenset[str]:
    """Return the kinds of what it runs, augmentation apart, that depend on a phase."""
    return kinds_of_class(cls, at_any_rate=True) - {names.AUGMENTATION}


@remembered_of_class
def may_need_phase(cls: Class, depth: int = 0) -> bool:
    """Whether something that it runs, and that is not in sight, may need a phase."""
    return (
        leaves_flag_out(cls)
        or _flags_elsewhere(cls)
        or _loses_flag(cls)
        or _wraps(cls)
        or any(
            bool(kinds_left_open(inner))
            or hides_flag(inner)
            or may_need_phase(inner, depth + 1)
            for inner in (set(_lacking_inside(cls)) if depth < LAYERS_INSIDE else ())
        )
    )


def _lacking_inside(cls: Class) -> Iterator[Class]:
    """The layers of the project that it runs, whose own `call` takes no phase."""
    for routine, call in _open_calls(cls):
        for value in values(routine.module, call.func):
            if isinstance(value, Result) and isinstance(value.maker, Class):
                own = method_of(value.maker, "call")
                if (
                    own is not None
                    and value.maker != cls
                    and not takes_training(own.node)
                    and keras_kind(value.maker) is not None
                ):
                    yield value.maker


def _flags_elsewhere(cls: Class) -> bool:
    """Whether its `call` calls a layer without the phase that gets one elsewhere."""
    return any(
        says(routine.module, call).is_nothing
        and gets_phase_elsewhere(routine.module, call.func)
        for routine in reached(cls, "call")
        if routine.module.mentions(FLAG)
        for call in calls_in(routine.module, routine.node)
    )


def _loses_flag(cls: Class) -> bool:
    """Whether it replaces the `call` of a layer of Keras that takes the phase."""
    return any(
        isinstance(base, Known) and _TAKES_PHASE.match(base.name) is not None
        for base in lineage(cls)
    )


def _wraps(cls: Class) -> bool:
    """Whether its `call` runs layers that are passed to its constructor.

    They may be passed through a function, or be chosen instead of a layer of its own.
    """
    run = _run_in_call(cls)
    is_layer = keras_kind(cls) == "layer"
    if "layer" in run and Known("keras.layers.Wrapper") in lineage(cls):
        return True
    return any(
        not hints.is_function(name)
        and (
            (_is_given(cls, name) and (not is_layer or _treats_as_layer(cls, name)))
            or _is_given_instead(cls, name)
        )
        for name in sorted(run)
    )


def _is_given_instead(cls: Class, name: str) -> bool:
    """Whether it is what is passed in, or else a layer: `layer or Dense(4)`."""
    given = members(cls.module, cls.node).given(name)
    found = {value for member in given for value in values(cls.module, member)}
    return any(isinstance(value, Parameter) for value in found) and any(
        stands_for_layer(cls.module, member) for member in given
    )


def _open_calls(cls: Class) -> Iterator[tuple[Routine, ast.Call]]:
    """The calls that its `call` runs, also in methods, without a phase."""
    # In Keras 3, **options get none.
    needed = keras_for(cls.module).has(CALL_NEEDS_TRAINING)
    for routine in reached(cls, "call"):
        for call in calls_in(routine.module, routine.node):
            said = says(routine.module, call)
            passes_nothing = said.is_nothing or (said.packed and needed)
            if passes_nothing and not says_otherwise(call):
                yield routine, call


def _run_in_call(cls: Class) -> set[str]:
    """The attributes that `call` calls without a flag, or passes to a function."""
    found: set[str | None] = set()
    for routine, call in _open_calls(cls):
        me = self_name(routine.node)
        found.add(attribute_of_self(call.func, me) if call.args else None)
        found.update(attribute_of_self(argument, me) for argument in call.args)
    return {candidate for candidate in found if candidate is not None}


def _is_given(cls: Class, name: str) -> bool:
    constructor = method_of(cls, "__init__")
    given = [
        value
        for member in members(cls.module, cls.node).given(name)
        for value in values(cls.module, _converted(member))
    ]
    return (
        constructor is not None
        and bool(given)
        and all(
            isinstance(argument, Parameter) and argument.function is constructor.node
            for argument in given
        )
    )


def _converted(expression: ast.expr) -> ast.expr:
    """What a method such as `module.to(device)` is called on, and likely returns."""
    match expression:
        case ast.Call(func=ast.Attribute(value=ast.Name() as base, attr="to" | "copy")):
            return base
    return expression


def _treats_as_layer(cls: Class, name: str) -> bool:
    """Whether the class does with an attribute what is done with layers alone."""
    return any(
        isinstance(node, ast.Attribute)
        and _OF_LAYERS.fullmatch(node.attr) is not None
        and attribute_of_self(node.value, "self") == name
        for node in ast.walk(cls.node)
    )
