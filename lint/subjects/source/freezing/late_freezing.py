"""Layers that are frozen, or unfrozen, after their model was compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .events import events_of_freezing
from .events_through_calls import events_through_calls

if TYPE_CHECKING:
    import ast
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


def _is_late(events: Events, name: str, change: Change, before_fit: bool) -> bool:
    """Whether the model of that name is fitted after the change as it was before."""
    place, until = change.place, events.until(change)
    fits = [line for line in events.fitted[name] if place < line < until]
    compiled = [line for line in events.compiled[name] if line < place]
    if not fits or not compiled:
        return False
    settled = max(compiled)
    if not before_fit:
        begin, stop = change.rounds or (place, place)
        fitted = [
            line
            for line in events.fitted[name]
            if settled < line < place or (settled < begin < line < stop)
        ]
        if not fitted or _is_for_another(events, name, change):
            return False
        settled = min(*fitted, place)
    # Compiled again: this model or, as in adversarial networks, one built on it.
    between = (spot for places in events.compiled.values() for spot in places)
    if any(place < line < max(fits) for line in between):
        return False
    return events.value_at(change, settled) is not change.value


def _is_for_another(events: Events, name: str, change: Change) -> bool:
    """Whether a model that was compiled before is first trained after it."""
    return any(
        min(fitted) > change.place > min(events.compiled[other])
        for other, fitted in events.fitted.items()
        if other != name and fitted and events.compiled[other]
    )
