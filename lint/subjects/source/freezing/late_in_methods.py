"""Layers that a method freezes, or unfreezes, for a model that another one compiled."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import end, start
from ..resolving.classes import calls_in
from ..resolving.members import attribute_of_self, members, self_name
from .events import events_of_freezing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..resolving.members import Method
    from .events import Change, Events, Place


def late_in_methods(module: Module, *, before_fit: bool) -> Iterator[ast.Assign]:
    """Yield each `self.x.trainable = ...` before a `fit` of the same method.

    The model was compiled in another method, when x was not so, and not since.

    Args:
        module: the module.
        before_fit: as in `late_changes`.
    """
    for owner, events in events_of_freezing(module, by_class=True).items():
        if isinstance(owner, ast.ClassDef):
            methods = members(module, owner).methods
            for change in events.changed:
                for name in events.fitted:
                    if _is_late(module, methods, events, change, name, before_fit):
                        yield change.node
                        break


def _is_late(
    module: Module,
    methods: dict[str, Method],
    events: Events,
    change: Change,
    name: str,
    before_fit: bool,
) -> bool:
    here = _around(methods.values(), start(change.node))
    compiled = {
        method: place
        for place in events.compiled[name]
        if (method := _around(methods.values(), place)) is not None
    }
    if here is None or not compiled or _compiles(module, methods, events, here):
        return False
    place, until = start(change.node), events.until(change)
    fitted = [(fit, _around(methods.values(), fit)) for fit in events.fitted[name]]
    if not any(place < fit < until and method is here for fit, method in fitted):
        return False
    earlier = any(fit < place or method is not here for fit, method in fitted)
    if not before_fit and not earlier:
        return False  # the first training settles it, and this may be the first
    return any(
        other.network == change.network
        and other.value is not change.value
        and _around(methods.values(), start(other.node)) is method
        and start(other.node) < settled
        for method, settled in compiled.items()
        for other in events.changed
    )


def _around(methods: Iterable[Method], place: Place) -> Method | None:
    """The method that a place is in."""
    for method in methods:
        if start(method) <= place <= end(method):
            return method
    return None


def _compiles(
    module: Module, methods: dict[str, Method], events: Events, method: Method
) -> bool:
    """Whether a method compiles something, by itself or by another method."""
    compiling = {
        _around(methods.values(), place)
        for places in events.compiled.values()
        for place in places
    }
    if method in compiling:
        return True
    called = (
        attribute_of_self(call.func, self_name(method))
        for call in calls_in(module, method)
    )
    return any(methods.get(name or "") in compiling - {None} for name in called)
