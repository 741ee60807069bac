"""Classes whose `call` cannot receive the phase, where it matters to what they hold."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ....semantics import CALL_NEEDS_TRAINING
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.values import Class
from ..resolving.classes import (
    extends_flagged,
    keras_kind,
    takes_training,
)
from ..resolving.lineage import method_of
from ..resolving.members import members
from .hidden_flags import hides_flag
from .open_sublayers import kinds_left_open, may_need_phase
from .usage import FITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..resolving.members import Method

_OWN_STEPS = ("train_step", "compute_loss_and_updates")


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
    trains = module.matches(FITS) or module.mentions("GradientTape")
    fits = trains and not keras_for(module).has(CALL_NEEDS_TRAINING)
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
        kinds = kinds_left_open(cls)
        if kinds and not is_layer and keras_for(module).has(CALL_NEEDS_TRAINING):
            continue  # BN101 reports it by itself
        hides = hides_flag(cls)
        if kinds or hides or may_need_phase(cls):
            yield WithoutFlag(cls, call, kinds, hides=hides)


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
