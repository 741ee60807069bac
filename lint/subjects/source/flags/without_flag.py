"""Classes whose `call` cannot receive the phase, where it matters to what they hold."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ....semantics import CALL_NEEDS_TRAINING
from ... import names
from ..networks.contents import kinds_of_class
from ..networks.sublayers import gets_phase_elsewhere
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.values import Class, Known, Parameter
from ..resolving.classes import (
    calls_in,
    extends_flagged,
    keras_kind,
    reached,
    takes_training,
)
from ..resolving.lineage import lineage, method_of
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says, says_otherwise
from .sibling_flags import leaves_flag_out
from .usage import FITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Routine
    from ..resolving.members import Method

_OWN_STEPS = ("train_step", "compute_loss_and_updates")
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


@dataclass(frozen=True)
class WithoutFlag:
    """A class whose `call` has no parameter `training`.

    Attributes:
        cls: the class.
        call: its `call`.
        kinds: what it holds that depends on the phase; nothing if that is passed in.
        is_part: whether the module builds one in a graph or in a Keras class that takes
            the phase.
        hides: whether `**kwargs` hide the phase, which Keras 3 does not pass to them.
    """

    cls: Class
    call: Method
    kinds: frozenset[str]
    is_part: bool = False
    hides: bool = False


def without_flag(module: Module) -> Iterator[WithoutFlag]:
    """Yield each such class of the module, but for BN itself.

    In Keras 2, `fit` passes the phase to all layers of a model, so that models are left
    out where something is fitted; what a tape runs is BN102's.
    """
    found = list(_lacking(module))
    lacking = {item.cls.node for item in found}
    for candidate in found:
        yield replace(candidate, is_part=_is_part(module, candidate.cls, lacking))


def _lacking(module: Module) -> Iterator[WithoutFlag]:
    needed = keras_for(module).has(CALL_NEEDS_TRAINING)
    fits = not needed and (module.matches(FITS) or module.mentions("GradientTape"))
    for node in module.classes:
        call = members(module, node).methods.get("call")
        if call is None or takes_training(call) or _sets_phase(call):
            continue
        cls = Class(module, node)
        kind = keras_kind(cls)
        if kind != "layer" and hints.only_infers(node.name):
            continue  # a layer of such a name is the head of a network
        if kind is None or extends_flagged(cls) or _is_called_otherwise(cls):
            continue  # BN109 is about the former
        is_layer = kind == "layer"
        if not is_layer and (fits or any(method_of(cls, step) for step in _OWN_STEPS)):
            continue
        kinds = kinds_of_class(cls, at_any_rate=True) - {names.AUGMENTATION}
        if kinds and not is_layer and needed:
            continue  # BN101 reports it by itself
        hides = needed and _hides_flag(cls, call)
        if (
            kinds
            or hides
            or leaves_flag_out(cls)
            or _flags_elsewhere(cls)
            or _loses_flag(cls)
            or _wraps(cls, is_layer)
        ):
            yield WithoutFlag(cls, call, kinds, hides=hides)


def _flags_elsewhere(cls: Class) -> bool:
    """Whether its `call` calls a layer without the phase that gets one elsewhere."""
    return any(
        says(routine.module, call).is_nothing
        and gets_phase_elsewhere(routine.module, call.func)
        for routine in reached(cls, "call")
        if routine.module.mentions(FLAG)
        for call in calls_in(routine.module, routine.node)
    )


def _is_called_otherwise(cls: Class) -> bool:
    """Whether it does not leave calling it to Keras."""
    own = method_of(cls, "__call__")
    return own is not None and not any(
        isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(own.node)
    )


def _is_part(module: Module, cls: Class, lacking: set[ast.ClassDef]) -> bool:
    """Whether an instance gets the phase from what it is part of."""
    for made in module.calls_by_name.get(cls.node.name, ()):
        owner = module.scopes.enclosing_class(made)
        if owner is None:
            if not _is_in_demo(module, made):
                return True
        elif owner not in lacking and keras_kind(Class(module, owner)) is not None:
            return True
    return False


def _is_in_demo(module: Module, node: ast.AST) -> bool:
    """Whether it only runs if the module does so by itself."""
    return any(
        isinstance(outer, ast.If) and "__name__" in ast.unparse(outer.test)
        for outer in module.scopes.ancestors(node)
    )


def passes_flags_on(module: Module) -> bool:
    """Whether the `call` of some class of the module takes the phase."""
    return any(
        takes_training(call)
        for node in module.classes
        for call in [members(module, node).methods.get("call")]
        if call is not None
    )


def _sets_phase(call: Method) -> bool:
    """Whether it takes the phase by another name (BN108)."""
    given = [*call.args.args, *call.args.kwonlyargs]
    return any(hints.is_training_flag(argument.arg) for argument in given)


def _hides_flag(cls: Class, call: Method) -> bool:
    """Whether `**kwargs` hide the phase: Keras 3 passes it to a named parameter alone.

    It is read from them by its name, or they are passed on to sublayers.
    """
    return call.args.kwarg is not None and any(
        _reads_flag(node, routine.node.args.kwarg.arg)
        or _passes_to_sublayer(cls, node, routine)
        for routine in reached(cls, "call")
        if routine.node.args.kwarg is not None
        for node in ast.walk(routine.node)
    )


def _reads_flag(node: ast.AST, packed: str) -> bool:
    """Whether it is `packed["training"]`, or `packed.get("training")`."""
    match node:
        case ast.Subscript(value=ast.Name(name), slice=ast.Constant("training")):
            return name == packed
        case ast.Call(
            func=ast.Attribute(value=ast.Name(name), attr="get" | "pop"),
            args=[ast.Constant("training"), *_],
        ):
            return name == packed
    return False


def _passes_to_sublayer(cls: Class, node: ast.AST, routine: Routine) -> bool:
    """Whether it passes the method's `**kwargs` to what is likely a layer.

    That is an attribute that is no method, or what a loop runs through.
    """
    packed = routine.node.args.kwarg
    if (
        packed is None
        or not isinstance(node, ast.Call)
        or not any(
            word.arg is None
            and isinstance(word.value, ast.Name)
            and word.value.id == packed.arg
            for word in node.keywords
        )
    ):
        return False
    if isinstance(node.func, ast.Name):
        return routine.module.scopes.loop_of(node.func) is not None
    name = attribute_of_self(node.func, self_name(routine.node))
    return name is not None and method_of(cls, name) is None


def _loses_flag(cls: Class) -> bool:
    """Whether it replaces the `call` of a layer of Keras that takes the phase."""
    return any(
        isinstance(base, Known) and _TAKES_PHASE.match(base.name) is not None
        for base in lineage(cls)
    )


def _wraps(cls: Class, is_layer: bool) -> bool:
    """Whether its `call` runs layers that are passed to its constructor."""
    run = _run_in_call(cls)
    if "layer" in run and Known("keras.layers.Wrapper") in lineage(cls):
        return True
    return any(
        not hints.is_function(name)
        and _is_given(cls, name)
        and (not is_layer or _treats_as_layer(cls, name))
        for name in sorted(run)
    )


def _run_in_call(cls: Class) -> set[str]:
    """The attributes that `call` calls without a flag, or passes to a function."""
    found: set[str | None] = set()
    needed = keras_for(cls.module).has(
        CALL_NEEDS_TRAINING
    )  # **options get no phase then
    for routine in reached(cls, "call"):
        me = self_name(routine.node)
        for call in calls_in(routine.module, routine.node):
            said = says(routine.module, call)
            passes_nothing = said.is_nothing or (said.packed and needed)
            if passes_nothing and not says_otherwise(call):
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
