"""Layers that are frozen, or unfrozen, after their model was compiled."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import start
from .events import events_of_freezing
from .events_through_calls import events_through_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from .events import Change, Events


def late_changes(module: Module, *, before_fit: bool) -> Iterator[ast.Assign]:
    """Yield each `x.trainable = ...` of a network with BN that comes too late.

    Changes that restore what the model was compiled with, as in adversarial networks,
    are left out.

    Args:
        module: the module.
        before_fit: whether it is too late as soon as the model is compiled, even if
            it was never fitted.
    """
    found = events_of_freezing(module)
    yielded = set()
    for events in (*found.values(), *events_through_calls(module, found)):
        for change in events.changed:
            if change.node not in yielded and any(
                _is_late(events, name, change, before_fit) for name in events.fitted
            ):
                yielded.add(change.node)
                yield change.node


def fitted_frozen(module: Module) -> Iterator[ast.Assign]:
    """Yield each `x.trainable = False` between `x.compile` and the first training of x.

    Adversarial networks are written that way in Keras 2, where the discriminator keeps
    learning on its own. Changes by other means are left out.
    """
    handed = {
        ast.unparse(argument)
        for call in module.calls
        if any(isinstance(operand, ast.Constant) for operand in call.args)
        for argument in call.args
    }
    for events in events_of_freezing(module, by_class=True).values():
        for change in events.changed:
            name, place = change.network, start(change.node)
            compiled, fitted = events.compiled[name], events.fitted[name]
            alone = [node.base for node in events.changed].count(change.base) == 1
            if change.value or not (alone and compiled and fitted) or name in handed:
                continue
            if max(compiled) < place < min(fitted):
                yield change.node


def _is_late(events: Events, name: str, change: Change, before_fit: bool) -> bool:
    """Whether the model of that name is fitted after the change as it was before."""
    place, until = change.place, events.until(change)
    fits = [line for line in events.fitted[name] if place < line < until]
    compiled = [line for line in events.compiled[name] if line < place]
    if not fits or not compiled:
        return False
    settled = max(compiled)
    if not before_fit:
        fitted = [line for line in events.fitted[name] if settled < line < place]
        if not fitted:
            return False
        settled = min(fitted)
    # Compiled again: this model or, as in adversarial networks, one built on it.
    between = (spot for places in events.compiled.values() for spot in places)
    if any(place < line < max(fits) for line in between):
        return False
    return events.value_at(change, settled) is not change.value
