"""Functions of Keras' backend that train a network, and leave out its own updates."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.limits import VARIABLES_FOLLOWED
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.members import attribute_of_self, members
from ..resolving.resolve import values
from ..resolving.saying import local_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_FUNCTION = Known("keras.backend.function")
_PLACE = 2  # of `updates`
_RUNS_UPDATES = re.compile(r"\.updates\b|get_updates_for|state_updates")
_PHASE = "learning_phase()"


def updates_of(call: ast.Call) -> ast.expr | None:
    """The updates that a function of the backend is given."""
    return call.args[_PLACE] if len(call.args) > _PLACE else keyword(call, "updates")


def trained_without_updates(module: Module) -> Iterator[tuple[ast.Call, bool]]:
    """Yield each `K.function(..., updates=optimizer.get_updates(...))` of BN.

    The updates of BN are in `model.updates`, and an optimizer does not know them. Each
    comes with whether the function is given the phase, so that it surely trains.
    """
    if not module.mentions("get_updates(") or module.matches(_RUNS_UPDATES):
        return
    for call in module.calls_by_name.get("function", ()):
        updates = updates_of(call)
        if updates is None or _FUNCTION not in values(module, call.func):
            continue
        made = list(_optimizing(module, updates, VARIABLES_FOLLOWED))
        if any(_trains_batch_norm(module, each) for each in made):
            yield call, _PHASE in ast.unparse(call)


def _optimizing(module: Module, expression: ast.expr, depth: int) -> Iterator[ast.Call]:
    """The calls of `get_updates` in it, or in what was assigned to it."""
    for node in ast.walk(expression):
        match node:
            case ast.Call(func=ast.Attribute(attr="get_updates")):
                yield node
            case ast.Name() if depth:
                value = local_value(module, node)
                if value is not node and isinstance(value, ast.expr):
                    yield from _optimizing(module, value, depth - 1)
            case ast.Attribute() if depth:
                name = attribute_of_self(node, "self")
                owner = module.scopes.enclosing_class(expression)
                if name is not None and owner is not None:
                    for given in members(module, owner).given(name):
                        yield from _optimizing(module, given, depth - 1)


def _trains_batch_norm(module: Module, optimizing: ast.Call) -> bool:
    """Whether it is given the trainable weights of a network that holds BN."""
    given = [*optimizing.args, *(word.value for word in optimizing.keywords)]
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in (*names.TRAINABLE, "_collected_trainable_weights")
        and names.BATCH_NORM in kinds_held(module, node.value)
        for part in given
        for node in ast.walk(part)
    )
