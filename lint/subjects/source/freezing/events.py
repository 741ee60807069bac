"""What freezes, compiles and trains networks, in the order in which it happens."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import end, start

if TYPE_CHECKING:
    from ..reading.module import Module

# Where something is; of what a called function does, after the place of the call.
Place = tuple[int, ...]
FITTING = ("fit", "fit_generator", "train_on_batch")
COMPILING = ("compile", "make_train_function")
_END: tuple[float, ...] = (inf,)


@dataclass(frozen=True)
class Change:
    """`x.trainable = ...`, for a network with BN.

    Attributes:
        node: the assignment.
        network: what is changed, as written; of a loop, what it goes through.
        base: the variable that this is a part of.
        value: True or False.
        place: when it is run, among what its scope does.
        rounds: where the loop begins and ends whose variable says what is changed.
    """

    node: ast.Assign
    network: str
    base: str
    value: bool
    place: Place
    rounds: tuple[Place, Place] | None = None


@dataclass
class Events:
    """The events in one scope, by position."""

    compiled: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    fitted: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    changed: list[Change] = field(default_factory=list)

    def value_at(self, change: Change, place: Place) -> bool | None:
        """Return the value for a change's network at a place; None if unknown."""
        before = [other for other in self.changed if other.place < place]
        same = [other for other in before if other.network == change.network]
        if same:
            return max(same, key=lambda other: other.place).value
        return None if any(other.base == change.base for other in before) else True

    def until(self, change: Change) -> tuple[float, ...]:
        """Return where the network is changed again."""
        later = (
            other.place
            for other in self.changed
            if other.network == change.network and other.place > change.place
        )
        return min(later, default=_END)


def events_of_freezing(
    module: Module, *, by_class: bool = False
) -> dict[ast.AST, Events]:
    """Return the events of each scope, or of each class for those about its `self`."""
    found: dict[ast.AST, Events] = defaultdict(Events)

    def events_of(node: ast.AST, name: str) -> Events:
        scope = module.scopes.scope_of(node).node
        owner = module.owner_of(scope) if name.startswith("self.") else None
        return found[owner if by_class and owner is not None else scope]

    for words, kind in ((COMPILING, "compiled"), (FITTING, "fitted")):
        for word in words:
            for call in module.calls_by_name.get(word, ()):
                if isinstance(call.func, ast.Attribute):
                    for network in _each(module, call, call.func.value):
                        name = ast.unparse(_unrolled(module, call, network)[0])
                        getattr(events_of(call, name), kind)[name].append(start(call))
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=network, attr="trainable")],
                value=ast.Constant(value=bool() as value),
            ):
                for one in _each(module, node, network):
                    changed, base = _unrolled(module, node, one)
                    if names.BATCH_NORM in kinds_held(module, base, even_frozen=True):
                        texts = ast.unparse(changed), ast.unparse(base)
                        events = events_of(node, texts[1])
                        rounds = _rounds(module, node, changed)
                        change = Change(node, *texts, value, start(node), rounds)
                        events.changed.append(change)
    return found


def _rounds(
    module: Module, node: ast.AST, changed: ast.expr
) -> tuple[Place, Place] | None:
    """The loop in whose rounds different layers are changed: `base.layers[-count:]`."""
    read = {one.id for one in ast.walk(changed) if isinstance(one, ast.Name)}
    for loop in module.scopes.ancestors(node):
        if isinstance(loop, ast.For) and any(
            isinstance(one, ast.Name) and one.id in read
            for one in ast.walk(loop.target)
        ):
            return start(loop), end(loop)
    return None


def _each(module: Module, node: ast.AST, network: ast.expr) -> list[ast.expr]:
    """The networks that a loop goes through one by one: `for d in (d_a, d_b)`."""
    for loop in module.scopes.ancestors(node):
        match loop:
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Tuple(elts=parts) | ast.List(elts=parts),
            ) if isinstance(network, ast.Name) and network.id == name:
                return parts
    return [network]


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
