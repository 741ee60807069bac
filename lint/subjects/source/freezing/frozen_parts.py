"""Networks that one function compiles, another freezes, and a third trains.

Adversarial networks are written this way: the discriminator is compiled where it is
built, frozen where the combined model is, and trained in a loop that is given both.
Each may stand in a file of its own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.freezings import freezings
from ..networks.identity import origins_of
from ..reading.memo import remembered
from ..reading.nodes import Function, end
from ..reading.values import Class, Routine
from ..resolving.callers import calls_elsewhere
from ..resolving.lineage import project_lineage
from ..resolving.local_calls import calls_of
from ..resolving.members import returns_of
from ..resolving.neighbours import files_sharing, modules_imported
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.freezings import Freezing
    from ..networks.identity import Origin
    from ..reading.module import Module

_TRAINING = ("fit", "fit_generator", "train_on_batch")
_CALLS_UP = 3  # from where something is done to where that is ordered

_Place = tuple["Module", ast.AST]
_Origins = frozenset["Origin"]


def frozen_in_parts(
    module: Module, *, by_compile: bool
) -> Iterator[tuple[Freezing, bool]]:
    """Yield each `x.trainable = False` after which no training of x changes anything.

    x is trained later, and never unfrozen. Each comes with whether it was frozen before
    its `compile`, too, so that it never learns in any version.

    Args:
        module: the module.
        by_compile: whether x keeps what was trainable when it was compiled.
    """
    if any(change.value is False for change in freezings(module)):
        home, near = files_sharing(module)
        found = {
            change.position: in_all
            for change, in_all in _frozen_in(home, near)
            if in_all or not by_compile
        }
        for change in freezings(module):
            if change.position in found:
                yield change, found[change.position]


def _frozen_in(home: Module, near: list[Module]) -> Iterator[tuple[Freezing, bool]]:
    for change in freezings(home):
        if change.value is not False or change.is_partial:
            continue
        made = _made_at(home, change.network)
        if not _holds_batch_norm(home, change.network, near, made):
            continue
        trained = [*_calls_on(near, _TRAINING, made)]
        later = [call for call in trained if _precedes((home, change.node), call)]
        if not later or len(later) < len(trained) or _may_be_freed(near, made):
            continue
        compiled = [*_calls_on(near, ("compile",), made)]
        was_compiled = _is_compiled_where_made(near, made) or any(
            _precedes(call, (home, change.node)) for call in compiled
        )
        if was_compiled:
            yield change, False
        elif (
            not change.by_layer
            and compiled
            and all(_is_just(made, call) for call in (*compiled, *trained))
        ):
            yield change, True


def _is_just(made: _Origins, called: tuple[Module, ast.Call]) -> bool:
    """Whether that is a method of this one network, and surely of no other."""
    module, call = called
    network = call.func.value if isinstance(call.func, ast.Attribute) else call
    return len(made) == 1 and _made_at(module, network) == made


def _holds_batch_norm(
    home: Module, network: ast.expr, near: list[Module], made: _Origins
) -> bool:
    calls = _calls_among(made)
    return names.BATCH_NORM in kinds_held(home, network, True) or any(
        names.BATCH_NORM in kinds_held(module, call, True)
        for module in near
        for call in calls.intersection(module.calls)
    )


@remembered
def _made_at(module: Module, network: ast.expr) -> _Origins:
    """The places that the network may come from."""
    return frozenset(
        origin
        for origin in origins_of(module, network, far=True)
        if isinstance(origin[0], ast.AST)
    )


def _calls_among(made: _Origins) -> frozenset[ast.Call]:
    """The calls that give the network itself."""
    return frozenset(
        origin[0]
        for origin in made
        if len(origin) == 1 and isinstance(origin[0], ast.Call)
    )


def _calls_on(
    near: list[Module], words: tuple[str, ...], made: _Origins
) -> Iterator[tuple[Module, ast.Call]]:
    """The calls of such a method of a network that comes from there."""
    for module in near:
        for word in words:
            for call in module.calls_by_name.get(word, ()):
                if isinstance(call.func, ast.Attribute) and not made.isdisjoint(
                    _made_at(module, call.func.value)
                ):
                    yield module, call


def _is_compiled_where_made(near: list[Module], made: _Origins) -> bool:
    """Whether a function that makes the network compiles what it returns."""
    calls = _calls_among(made)
    for module in near:
        for call in calls.intersection(module.calls):
            for value in values(module, call.func):
                if isinstance(value, Routine) and _compiles(value):
                    return True
    return False


def _compiles(maker: Routine) -> bool:
    returned = frozenset(
        one
        for returned in returns_of(maker.module, maker.node)
        for one in _made_at(maker.module, returned)
    )
    return any(_calls_on([maker.module], ("compile",), returned))


def _may_be_freed(near: list[Module], made: _Origins) -> bool:
    """Whether it is unfrozen somewhere, or passed to something that may do so."""
    for module in near:
        changes = freezings(module)
        if any(
            change.value is not False
            and not made.isdisjoint(_made_at(module, change.network))
            for change in changes
        ):
            return True
        known = {change.node for change in changes}
        for call in module.calls:
            if call not in known and _passes_truth(call):
                for argument in call.args:
                    if not made.isdisjoint(_made_at(module, argument)):
                        return True
    return False


def _passes_truth(call: ast.Call) -> bool:
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, bool)
        for node in (*call.args, *(one.value for one in call.keywords))
    )


def _precedes(first: _Place, second: _Place, depth: int = 0) -> bool:
    """Whether the code that runs both seems to reach the first one first."""
    (module, one), (other_module, other) = first, second
    here = module.scopes.enclosing_function(one)
    there = other_module.scopes.enclosing_function(other)
    if here is there and module is other_module:
        return end(one) < end(other)  # arguments come before their call
    if depth > _CALLS_UP:
        return False
    if here is None and module is not other_module:
        return module in modules_imported(other_module)
    before, after = _callers(module, here), _callers(other_module, there)
    if _constructs(module, here, other_module, there):
        at_once = [
            call
            for _, call in after
            if other_module.scopes.enclosing_function(call) is here
        ]
        return not at_once or any(end(one) < end(call) for call in at_once)
    return (
        any(_precedes(call, second, depth + 1) for call in before)
        or any(_precedes(first, call, depth + 1) for call in after)
        or any(_precedes(one, other, depth + 2) for one in before for other in after)
    )


def _constructs(
    module: Module, here: Function | None, other: Module, there: Function | None
) -> bool:
    """Whether one is the constructor of the class, or of a base, that has the other."""
    owner = module.owner_of(here) if here is not None else None
    own = other.owner_of(there) if there is not None else None
    if owner is None or own is None or getattr(here, "name", "") != "__init__":
        return False
    return any(cls.node is owner for cls in project_lineage(Class(other, own)))


def _callers(module: Module, function: Function | None) -> list[_Place]:
    if function is None:
        return []
    found: list[_Place] = [
        (module, call) for call, _ in calls_of(module, function) if call in module.calls
    ]
    found += [(where, call) for where, call, _ in calls_elsewhere(module, function)]
    return found
