"""Layers that are frozen, or unfrozen, after their model was compiled."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Position

_FITTING = ("fit", "fit_generator", "train_on_batch")
_COMPILING = ("compile", "make_train_function")
_END: tuple[float, float] = (inf, inf)


@dataclass(frozen=True)
class Change:
    """`x.trainable = ...`, for a network with BN.

    Attributes:
        node: the assignment.
        network: what is changed, as written; of a loop, what it goes through.
        base: the variable that this is a part of.
        value: True or False.
    """

    node: ast.Assign
    network: str
    base: str
    value: bool


@dataclass
class Events:
    """The events in one scope, by position."""

    compiled: dict[str, list[Position]] = field(
        default_factory=lambda: defaultdict(list)
    )
    fitted: dict[str, list[Position]] = field(default_factory=lambda: defaultdict(list))
    changed: list[Change] = field(default_factory=list)

    def value_at(self, change: Change, place: Position) -> bool | None:
        """Return the value for a change's network at a place; None if unknown."""
        before = [other for other in self.changed if start(other.node) < place]
        same = [other for other in before if other.network == change.network]
        if same:
            return max(same, key=lambda other: start(other.node)).value
        return None if any(other.base == change.base for other in before) else True

    def until(self, change: Change) -> tuple[float, float]:
        """Return where the network is changed again."""
        later = (
            start(node.node)
            for node in self.changed
            if node.network == change.network and start(node.node) > start(change.node)
        )
        return min(later, default=_END)


def late_changes(module: Module, *, before_fit: bool) -> Iterator[ast.Assign]:
    """Yield each `x.trainable = ...` of a network with BN that comes too late.

    Changes that restore what the model was compiled with, as in adversarial networks,
    are left out.

    Args:
        module: the module.
        before_fit: whether it is too late as soon as the model is compiled, even if
            it was never fitted.
    """
    for events in events_of_freezing(module).values():
        for change in events.changed:
            if any(
                _is_late(events, name, change, before_fit) for name in events.fitted
            ):
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


def events_of_freezing(
    module: Module, *, by_class: bool = False
) -> dict[ast.AST, Events]:
    """Return the events of each scope, or of each class for those about its `self`."""
    found: dict[ast.AST, Events] = defaultdict(Events)

    def events_of(node: ast.AST, name: str) -> Events:
        scope = module.scopes.scope_of(node).node
        owner = module.owner_of(scope) if name.startswith("self.") else None
        return found[owner if by_class and owner is not None else scope]

    for words, kind in ((_COMPILING, "compiled"), (_FITTING, "fitted")):
        for word in words:
            for call in module.calls_by_name.get(word, ()):
                if isinstance(call.func, ast.Attribute):
                    name = ast.unparse(call.func.value)
                    getattr(events_of(call, name), kind)[name].append(start(call))
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=network, attr="trainable")],
                value=ast.Constant(value=bool() as value),
            ):
                network, base = _unrolled(module, node, network)
                if names.BATCH_NORM in kinds_held(module, base, even_frozen=True):
                    texts = ast.unparse(network), ast.unparse(base)
                    events = events_of(node, texts[1])
                    events.changed.append(Change(node, *texts, value))
    return found


def _is_late(events: Events, name: str, change: Change, before_fit: bool) -> bool:
    """Whether the model of that name is fitted after the change as it was before."""
    place, until = start(change.node), events.until(change)
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


def _unrolled(
    module: Module, node: ast.AST, network: ast.expr
) -> tuple[ast.expr, ast.expr]:
    """Return what a change is of, with loop variables replaced, and its base."""
    for loop in module.scopes.ancestors(node):
        if isinstance(loop, ast.For) and ast.unparse(loop.target) in (
            ast.unparse(network),
            f"(_, {ast.unparse(network)})",
        ):
            network = loop.iter
    base = network
    while True:
        match base:
            case ast.Subscript(value=inner) | ast.Attribute(value=inner, attr="layers"):
                base = inner
            case _:
                return network, base
