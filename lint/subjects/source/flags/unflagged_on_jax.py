"""Calls in a model's `call` that get no phase, neither passed nor inherited.

On JAX, `fit` and `stateless_call` run the `call` of the outermost model by itself. The
layers that it calls then inherit no flag; the layers inside these inherit theirs, as
everywhere.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..networks.contents import kinds_held
from ..reading.bindings import Kind
from ..reading.edits import with_argument
from ..reading.keras_versions import backend
from ..reading.memo import found_once
from ..reading.values import Class, Result, Routine, argument_for, default_of
from ..resolving.classes import calls_in, keras_kind, reached, takes_training
from ..resolving.heirs import called_layers
from ..resolving.lineage import method_of
from ..resolving.saying import FLAG, says
from .leaks import is_layer
from .usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....findings import Fix
    from ..reading.module import Module


@dataclass(frozen=True)
class Unflagged:
    """A call, without the phase, of a layer that depends on it.

    Attributes:
        call: the call.
        routine: the method that it is in.
        kinds: what the layer is or holds.
    """

    call: ast.Call
    routine: Routine
    kinds: frozenset[str]


@found_once
def unflagged_on_jax(module: Module) -> Iterator[Unflagged]:
    """Yield such calls in the model classes that are fitted on JAX, each once."""
    if not module.mentions(FLAG) or backend(module) not in (None, "jax"):
        return
    seen: set[ast.Call] = set()
    for node in module.classes:
        cls = Class(module, node)
        found = [
            found_call
            for found_call in _unflagged_in(cls)
            if found_call.call not in seen
        ]
        if found and _is_fitted_on_jax(cls):
            seen.update(found_call.call for found_call in found)
            yield from found


def _unflagged_in(cls: Class) -> Iterator[Unflagged]:
    """Yield the calls in the module of a model class whose `call` gets the phase."""
    call = method_of(cls, "call")
    if call is None or not takes_training(call.node):
        return  # BN101 asks for the parameter
    if keras_kind(cls) not in ("model", "sequential"):
        return
    for routine in reached(cls, "call"):
        for inner_call in calls_in(cls.module, routine.node):
            if routine.module is cls.module and not gets_flag(cls.module, inner_call):
                kinds = is_layer(cls.module, inner_call) and kinds_held(
                    cls.module, inner_call.func
                )
                if kinds:
                    yield Unflagged(inner_call, routine, kinds)


def flag_passed_on(module: Module, unflagged: Unflagged) -> Fix | None:
    """Return the fix that passes the flag on, where it exists and is surely taken."""
    flags = module.scopes.scope_of(unflagged.call).bindings.get(FLAG, ())
    if not flags or any(flag.kind is not Kind.PARAMETER for flag in flags):
        return None
    if len(unflagged.call.args) > 1:
        return None  # it may have been meant by position
    for value in called_layers(module, unflagged.call.func):
        called = _call_of(value)
        if called is not None and not takes_training(called.node):
            return None
    return with_argument(module, unflagged.call, f"{FLAG}={FLAG}")


def _is_fitted_on_jax(cls: Class) -> bool:
    if method_of(cls, "stateless_call") or _steps_otherwise(cls):
        return False
    usage = usage_of(cls.module, cls)
    backends = usage.backends | {backend(cls.module)} - {None}
    return (usage.fitted or usage.stateless) and backends == {"jax"}


def _steps_otherwise(cls: Class) -> bool:
    """Whether it has a training step of its own that may well call the model."""
    for name in ("train_step", "compute_loss_and_updates"):
        own = method_of(cls, name)
        if own is not None:
            words = {getattr(node, "attr", "") for node in ast.walk(own.node)}
            return words.isdisjoint(
                {"stateless_call", "train_step", "compute_loss_and_updates"}
            )
    return False


def gets_flag(module: Module, call: ast.Call) -> bool:
    """Whether a call passes the phase, or may do so, or what it calls presumes it."""
    if not says(module, call).is_nothing:
        return True
    for value in called_layers(module, call.func):
        called = _call_of(value)
        if called is None:
            continue
        if argument_for(call, called.node, FLAG, 1) is not None:
            return True
        match default_of(called.node, FLAG):
            case ast.Constant(value=True):
                return True
    return False


def _call_of(value: object) -> Routine | None:
    """The `call` of what a layer of the project is an instance of."""
    match value:
        case Result(maker=Class() as made):
            return method_of(made, "call")
    return None
