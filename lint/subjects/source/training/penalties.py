"""Penalties on the gradient of each sample, taken through BN."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Class, Routine
from ..resolving.classes import calls_in
from ..resolving.heirs import held_by
from ..resolving.instances import descendants
from ..resolving.members import attribute_of_self
from ..resolving.resolve import values
from ..resolving.saying import How, says
from .owners import owners
from .penalized import given_to, is_measured, is_trained_with_batch_norm
from .penalties_in_functions import penalized_in_jax, penalized_in_torch
from .penalties_in_graphs import penalized_in_graphs, penalized_in_losses
from .tapes import is_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def penalties_through_batch_norm(module: Module) -> Iterator[ast.Call]:
    """Yield each call of a network with BN whose gradient by its input is penalized.

    In a loss of its own, which sees no network, that is the call for the gradient.
    """
    yield from penalized_in_graphs(module)
    yield from penalized_in_losses(module)
    yield from penalized_in_torch(module)
    yield from penalized_in_jax(module)
    if not module.mentions("GradientTape"):
        return
    for node in module.scopes.of(ast.With):
        for item in node.items:
            tape = item.optional_vars
            if isinstance(tape, ast.Name) and is_tape(module, item.context_expr):
                yield from _penalized(module, node, tape)


def _penalized(module: Module, node: ast.With, tape: ast.Name) -> Iterator[ast.Call]:
    function = module.scopes.enclosing_function(node)
    calls = list(calls_in(module, function)) if function is not None else module.calls
    inputs = {
        name
        for call in calls
        for name in _inputs(module, call, tape)
        if is_measured(module, call)
    }
    for call in calls:
        inside = node in module.scopes.ancestors(call)
        if not inside or given_to(call).isdisjoint(inputs):
            continue
        if any(
            _is_in_training_mode(where, scored)
            and any(
                is_trained_with_batch_norm(*network)
                for network in (
                    (where, scored.func),
                    *_of_heirs(where, scored.func),
                )
            )
            for where, scored in _scoring(module, call)
        ):
            yield call


def _of_heirs(module: Module, network: ast.expr) -> Iterator[tuple[Module, ast.expr]]:
    """What subclasses have as `self.critic`, of which the class itself has none."""
    name = attribute_of_self(network, "self")
    owner = module.scopes.enclosing_class(network)
    if name is not None and owner is not None and not values(module, network):
        for heir in descendants(Class(module, owner)):
            yield from held_by(heir, name)


def _scoring(module: Module, call: ast.Call) -> Iterator[tuple[Module, ast.Call]]:
    """The call of a network; of a lambda that is passed in, those that this makes."""
    yield module, call
    if isinstance(call.func, ast.Name):
        for value in values(module, call.func):
            if isinstance(value, Routine) and isinstance(value.node, ast.Lambda):
                for inner in calls_in(value.module, value.node):
                    yield value.module, inner


def _is_in_training_mode(module: Module, call: ast.Call) -> bool:
    """Whether each sample depends on the others; in inference mode none does."""
    said = says(module, call)
    is_off = said.how is How.CONSTANT and not said.flag
    return not (said.is_nothing or is_off)


def _inputs(module: Module, call: ast.Call, tape: ast.Name) -> Iterator[str]:
    """Yield the inputs of `tape.gradient(score, input)`, unless they are variables."""
    match call:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Name() as used, attr="gradient" | "batch_jacobian"
            ),
            args=[_, sources, *_],
        ):
            found = module.scopes.lookup(used)
            ours = any(entry.place is tape for entry in (found[1] if found else ()))
            if ours and not any(owners(module, sources)):
                parts = [sources]
                if isinstance(sources, ast.List | ast.Tuple):
                    parts = sources.elts
                yield from map(ast.unparse, parts)
