"""Target networks that follow another network's weights but not its statistics."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.identity import is_part_of
from ..reading.bindings import Binding, Kind
from ..reading.nodes import arguments_of, last_word
from ..reading.values import Routine
from ..resolving.resolve import values
from ..resolving.saying import says
from .network_pairs import NetworkPair, pairs_of_callers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_MORE = ("non_trainable_variables", "non_trainable_weights")
_MAPPING = ("map", "map_structure", "tree_map")
_LISTING = ("list", "tuple", "batch_get_value")
_COPYING = ("assign", "assign_add", "assign_sub", "copy_", "set_value")


@dataclass(frozen=True)
class Copied:
    """A place that copies the trainable variables of one network to another's.

    Attributes:
        place: the call to correct.
        in_training: whether the target is called in training mode only, where its
            statistics do not count.
    """

    place: ast.Call
    in_training: bool


def copies_without_statistics(module: Module) -> Iterator[Copied]:
    """Yield each place that copies only trainable variables of a network with BN."""
    if not module.mentions(*names.TRAINABLE) or module.mentions(*_MORE):
        return
    seen: set[ast.Call] = set()
    for pair in (*_zipped(module), *_indexed(module), *_handed_over(module)):
        if pair.place in seen or _is_zipped(module, pair.place, seen):
            continue
        if any(_holds_batch_norm(known) for known in (pair, *pairs_of_callers(pair))):
            seen.add(pair.place)
            yield Copied(pair.place, _is_always_training(module, pair.target))


def _is_zipped(module: Module, call: ast.Call, seen: set[ast.Call]) -> bool:
    """Whether the loop around a call goes over pairs that were seen."""
    return any(
        not seen.isdisjoint(ast.walk(_iterated(module, over)))
        for outer in module.scopes.ancestors(call)
        for over in _loops(outer)
    )


def _loops(node: ast.AST) -> list[ast.For | ast.comprehension]:
    """The loops that a statement or a comprehension makes."""
    return [node] if isinstance(node, ast.For) else getattr(node, "generators", [])


def _iterated(module: Module, loop: ast.For | ast.comprehension) -> ast.expr:
    """What a loop goes over, also through a name: `pairs = zip(...)`."""
    match loop.iter:
        case (ast.Name() as name) | ast.Call(
            func=ast.Name(id="enumerate" | "list"), args=[ast.Name() as name, *_]
        ):
            match _bindings(module, name):
                case [Binding(kind=Kind.VALUE, node=ast.expr() as pairs)]:
                    return pairs
    return loop.iter


def _zipped(module: Module) -> Iterator[NetworkPair]:
    """`for a, b in zip(target.trainable_variables, net.trainable_variables)`."""
    for call in module.calls_by_name.get("zip", ()):
        owners = [owner_of(module, argument) for argument in call.args[:2]]
        assigned = _assigned(module, call)
        match owners:
            case [ast.expr() as first, ast.expr() as second] if assigned is not None:
                pair = (second, first) if assigned == 1 else (first, second)
                yield NetworkPair(module, *pair, call)


def _indexed(module: Module) -> Iterator[NetworkPair]:
    """`target.trainable_weights[i].assign(... net.trainable_weights[i] ...)`.

    Or `for i, weight in enumerate(target.trainable_weights): weight.assign(...)`.
    """
    for word in _COPYING:
        for call in module.calls_by_name.get(word, ()):
            target = _owner_of_item(module, call.func)
            if target is None:
                continue
            for other in _read_by(module, call):
                if ast.unparse(other) != ast.unparse(target):
                    yield NetworkPair(module, target, other, call)


def _owner_of_item(module: Module, method: ast.expr) -> ast.expr | None:
    """The network whose single variable a method is of."""
    match method:
        case ast.Attribute(value=ast.Subscript(value=variables)):
            return owner_of(module, variables)
        case ast.Attribute(value=ast.Name() as name):
            match _bindings(module, name):
                case [Binding(kind=Kind.ITEM, node=ast.Attribute() as variables)]:
                    return owner_of(module, variables)
    return None


def _read_by(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The networks whose trainable weights an assignment reads."""
    pending: list[ast.AST] = list(call.args)
    found: set[ast.AST] = set()
    while pending:
        node = pending.pop()
        if node in found:
            continue
        found.add(node)
        match node:
            case ast.Attribute(value=network, attr=name) if name in names.TRAINABLE:
                yield network
            case ast.Name():
                for binding in _bindings(module, node):
                    if binding.kind in (Kind.VALUE, Kind.ITEM):
                        pending.append(binding.node)
            case _:
                pending += ast.iter_child_nodes(node)


def _handed_over(module: Module) -> Iterator[NetworkPair]:
    """`update(target.trainable_variables, net.trainable_variables)`, which copies."""
    for call in module.calls:
        given = [*call.args, *(word.value for word in call.keywords)]
        owners = [owner for part in given if (owner := owner_of(module, part))]
        if len(owners) != 2 or last_word(call.func) == "zip":
            continue
        if last_word(call.func) in _MAPPING:
            first_of = _first_assigned(module, call)
            if first_of is not None:
                yield NetworkPair(module, owners[first_of], owners[1 - first_of], call)
            continue
        if any(
            isinstance(value, Routine) and _copies_what_it_is_given(value)
            for value in values(module, call.func)
        ):
            yield NetworkPair(module, owners[0], owners[1], call)


def _first_assigned(module: Module, call: ast.Call) -> int | None:
    """Which item `map_structure(lambda a, b: b.assign(a), ...)` assigns to, if any."""
    for value in values(module, call.args[0]) if call.args else ():
        if isinstance(value, Routine):
            given = [one.arg for one in arguments_of(value.node)[:2]]
            written = [
                last_word(inner.func.value)
                for inner in ast.walk(value.node)
                if isinstance(inner, ast.Call)
                and isinstance(inner.func, ast.Attribute)
                and inner.func.attr in _COPYING
            ]
            if len(written) == 1 and written[0] in given:
                return given.index(written[0])
    return None


def _copies_what_it_is_given(routine: Routine) -> bool:
    return any(
        routine.node in routine.module.scopes.ancestors(call)
        and _assigned(routine.module, call) is not None
        and all(
            binding.kind is Kind.PARAMETER
            for given in call.args[:2]
            for binding in _bindings(routine.module, given)
        )
        for call in routine.module.calls_by_name.get("zip", ())
    )


def _bindings(module: Module, expression: ast.expr) -> list[Binding]:
    found = None
    if isinstance(expression, ast.Name):
        found = module.scopes.lookup(expression)
    return found[1] if found else []


def owner_of(module: Module, expression: ast.expr) -> ast.expr | None:
    """The `net` of `net.trainable_variables`, also through a name, or of a list."""
    match expression:
        case ast.Attribute(value=network, attr=name) if name in names.TRAINABLE:
            return network
        case ast.Call(func=function, args=[listed]) if last_word(function) in _LISTING:
            return owner_of(module, listed)
        case ast.ListComp(generators=[ast.comprehension(iter=listed, ifs=[])]):
            return owner_of(module, listed)
    match _bindings(module, expression):
        case [Binding(kind=Kind.VALUE, node=ast.expr() as node)]:
            return owner_of(module, node)
    return None


def _assigned(module: Module, call: ast.Call) -> int | None:
    """Which of the pairs' items a loop over them assigns to; None if it does not."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.Call) and last_word(outer.func) == "batch_set_value":
            return 0
        if isinstance(outer, ast.For | ast.ListComp | ast.GeneratorExp):
            return _assigned_in(outer, _loops(outer)[0])
        if isinstance(outer, ast.Assign):
            return _assigned_later(module, outer)
        if isinstance(outer, ast.stmt):
            return None
    return None


def _assigned_later(module: Module, pairs: ast.Assign) -> int | None:
    """The same for loops over pairs that have a name."""
    for outer in module.scopes.of(ast.For, ast.ListComp, ast.GeneratorExp):
        loop = _loops(outer)[0]
        if loop.iter is not pairs.value and _iterated(module, loop) is pairs.value:
            return _assigned_in(outer, loop)
    return None


def _assigned_in(outer: ast.AST, loop: ast.For | ast.comprehension) -> int | None:
    written = [
        ast.unparse(node.func.value)
        for node in ast.walk(outer)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _COPYING
    ]
    if not written:
        return None
    match loop.target:
        case ast.Tuple(elts=[_, ast.Tuple(elts=[_, last])]) if _counts(loop.iter):
            return int(ast.unparse(last) in written)
        case ast.Tuple(elts=[_, last, *_]):
            return int(ast.unparse(last) in written)
    return 0


def _counts(iterated: ast.expr) -> bool:
    return isinstance(iterated, ast.Call) and last_word(iterated.func) == "enumerate"


def _holds_batch_norm(pair: NetworkPair) -> bool:
    """Whether both are networks with BN, and not one of them a part of the other."""
    module, target, other = pair.module, pair.target, pair.other
    if not all(
        names.BATCH_NORM in kinds_held(module, side, even_frozen=True)
        for side in (target, other)
    ):
        return False
    return _come_in_pairs(module, target, other) or not is_part_of(
        (module, target), (module, other), pair.place
    )


def _come_in_pairs(module: Module, one: ast.expr, other: ast.expr) -> bool:
    """Whether a loop gives both: `for net, target in ((a, b), (c, d))`."""
    match _bindings(module, one), _bindings(module, other):
        case [Binding(kind=Kind.ITEM) as first], [Binding(kind=Kind.ITEM) as second]:
            alike = first.node is second.node and first.place is second.place
            return alike and ast.unparse(one) != ast.unparse(other)
    return False


def _is_always_training(module: Module, target: ast.expr) -> bool:
    calls = [
        call
        for call in module.calls
        if call.keywords or call.args
        if last_word(call.func)
        and last_word(call.func) == last_word(target)
        and values(module, call.func)
    ]
    return bool(calls) and all(says(module, call).is_constant(True) for call in calls)
