"""What runs in a training step, and whether a call there leaves `training` open."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import names
from .callers import handed_in
from .classes import calls_in, keras_kind, unpacks_keywords
from .contents import holds
from .limits import STEPS_CALLED
from .resolve import method_of, values
from .scopes import last_word
from .values import Class, Known, Result, Routine, Self, argument_for, default_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .module import Module

Network = tuple["Module", ast.expr]
_OTHER_FLAG = re.compile(r"train|phase|mode|infer", re.I)


@dataclass(frozen=True)
class Running:
    """A call that runs in a training step; `shown` stands in the linted module.

    `routine` is the function that it is in and `caller` what called that, if the step
    only leads to it.
    """

    module: Module
    call: ast.Call
    shown: ast.Call
    routine: Routine | None = None
    caller: Running | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the call itself stands in the linted module."""
        return self.shown is self.call

    def networks(self) -> Iterator[Network]:
        """What is called: as written, and as the callers on the way know it."""
        yield self.module, self.call.func
        step, name = self, self.call.func
        while isinstance(name, ast.Name) and step.routine and step.caller:
            skipped = int(step.routine.owner is not None)
            caller = step.caller
            passed = argument_for(caller.call, step.routine.node, name.id, skipped)
            if passed is None:
                return
            yield caller.module, passed
            step, name = caller, passed


def running(
    module: Module, body: Iterable[ast.AST], own_tapes: bool = False
) -> Iterator[Running]:
    """The calls in a piece of code, and in the project's functions that it calls.

    What has a tape of its own takes gradients of its own: it is left out, unless
    `own_tapes` are asked for.
    """
    visited: set[ast.AST] = set()
    pending = [
        (Running(module, node, node), 0)
        for part in body
        for node in ast.walk(part)
        if isinstance(node, ast.Call)
    ]
    while pending:
        current, depth = pending.pop(0)
        yield current
        for value in values(current.module, current.call.func):
            if not isinstance(value, Routine) or value.node in visited:
                continue
            visited.add(value.node)
            inside = list(calls_in(value.module, value.node))
            own_tape = not own_tapes and any(
                last_word(inner.func) == "GradientTape" for inner in inside
            )
            if depth < STEPS_CALLED and not own_tape:
                for inner in inside:
                    shown = inner if value.module is module else current.shown
                    step = Running(value.module, inner, shown, value, current)
                    pending.append((step, depth + 1))


def leaves_open(module: Module, call: ast.Call) -> bool:
    """Whether a call says nothing of `training`, and gradients flow through it."""
    if unpacks_keywords(call) or any(
        _OTHER_FLAG.search(each.arg or "") for each in call.keywords
    ):
        return False
    return not _is_cut_off(module, call)


def trains(network: Network, call: ast.Call) -> bool:
    """Whether it is a Keras network with BN that the call leaves in inference mode."""
    found = [network, *handed_in(*network)]
    return any(_holds_batch_norm(*each, call) for each in found)


def _holds_batch_norm(module: Module, expression: ast.expr, call: ast.Call) -> bool:
    networks = [each for each in values(module, expression) if _is_network(each)]
    if not networks or names.BATCH_NORM not in holds(module, expression):
        return False
    return not any(_is_told(each, call) for each in networks)


def _is_network(value: object) -> bool:
    match value:
        case Result(of=Known(name)):
            return name.startswith(("keras.", "kerasbn."))
        case Self(of) | Result(of=Class() as of):
            return keras_kind(of) is not None and method_of(of, "__call__") is None
    return False


def _is_told(network: object, call: ast.Call) -> bool:
    """Whether it gets its flag by position or by a default of True."""
    match network:
        case Self(of) | Result(of=Class() as of):
            routine = method_of(of, "call")
            if routine is None:
                return len(call.args) > 1
            default = default_of(routine.node, "training")
            if isinstance(default, ast.Constant) and default.value is True:
                return True
            return argument_for(call, routine.node, "training", 1) is not None
    return len(call.args) > 1


def _is_cut_off(module: Module, call: ast.Call) -> bool:
    """Whether no gradient flows back through the call: `net(x).detach()`."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.stmt):
            return False
        cuts = isinstance(outer, ast.Attribute) and outer.attr in ("detach", "data")
        if cuts or _last_of_call(outer) == "stop_gradient":
            return True
    return False


def _last_of_call(node: ast.AST) -> str:
    return last_word(node.func) if isinstance(node, ast.Call) else ""
