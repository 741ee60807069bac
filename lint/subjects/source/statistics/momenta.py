"""The momenta that BN layers get, each number once.

A number that several layers get is one mistake with one place to put it right: the
number itself, also if the layers are in other files.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from ... import names
from ..reading.limits import FILES_SHARING
from ..reading.memo import remembered
from .given_momenta import given_momenta, with_keyword
from .momentum_arguments import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ....findings import Location
    from ..reading.module import Module
    from ..reading.values import Literal
    from .given_momenta import Momentum

    # Where a number stands in its file, which may be parsed more than once.
    Number = tuple[int, int]

_MOST_SHOWN = 8


def momenta(module: Module) -> Iterator[Momentum]:
    """Yield the momenta to judge by themselves, each number once in the project.

    A number used in several places is given at the number itself; one used in several
    files is given only in its own, if that is linted as well.
    """
    shared = _shared(module)
    for literal, given in _by_number(module).items():
        is_shared_here = _is_of(literal, module) and _number(literal) in shared
        if not is_shared_here and not _is_shown_at_home(module, literal):
            yield _once(module, given)
    for given in shared.values():
        yield _once(module, given)


def own_momenta(module: Module) -> Iterator[Momentum]:
    """Yield the momenta of the module's own layers, to judge by what it does."""
    for given in _by_number(module).values():
        yield _once(module, given)


def _by_number(module: Module) -> dict[Literal, list[Momentum]]:
    found: dict[Literal, list[Momentum]] = {}
    for momentum in given_momenta(module):
        found.setdefault(momentum.literal, []).append(momentum)
    return found


def _is_of(literal: Literal, module: Module) -> bool:
    """Whether a number stands in a module; it may be read twice."""
    return literal.module.real_path == module.real_path


def _number(literal: Literal) -> Number:
    return literal.node.lineno, literal.node.col_offset


def _is_shown_at_home(module: Module, literal: Literal) -> bool:
    """Whether a number of another file that is linted is reported there."""
    home = literal.module
    return (
        not _is_of(literal, module)
        and home.project.is_linted(home.real_path)
        and module.real_path in _files(_shared(home).get(_number(literal), ()))
    )


@remembered
def _shared(home: Module) -> dict[Number, list[Momentum]]:
    """The numbers of a module that several files give to BN layers, with each place."""
    users = list(islice(_users(home), FILES_SHARING + 1))
    if not 0 < len(users) <= FILES_SHARING:
        return {}
    found: dict[Number, list[Momentum]] = {}
    for user in (home, *users):
        for momentum in given_momenta(user):
            if _is_of(momentum.literal, home):
                found.setdefault(_number(momentum.literal), []).append(momentum)
    return {number: given for number, given in found.items() if len(_files(given)) > 1}


def _users(home: Module) -> Iterator[Module]:
    """The other files that import a module, or a name of it, and speak of momentum."""
    project = home.project
    for path in project.texts.naming((home.imported_as,), ""):
        text = project.texts.read(path)
        if any(word in text for word in WORDS) and names.mentions_batch_norm(text):
            user = project.load(path)
            if user is not None and user.real_path != home.real_path:
                yield user


def _files(given: Iterable[Momentum]) -> set[Path]:
    return {user.real_path for momentum in given for user in momentum.users}


def _once(module: Module, given: Sequence[Momentum]) -> Momentum:
    """One momentum for all that share a number, at the number if it is here."""
    first = given[0]
    users = {momentum.location: momentum.users[0] for momentum in given}
    if len(users) == 1:
        return first
    is_here = _is_of(first.literal, module)
    location = first.location
    if is_here:
        node = with_keyword(first.literal.module, first.literal.node)
        location = module.location(node)
    lines = list(
        dict.fromkeys(_line(place, user, module) for place, user in users.items())
    )
    where = ", ".join(lines[:_MOST_SHOWN]) + ", ..." * (len(lines) > _MOST_SHOWN)
    there = "" if is_here else f"{first.origin}, "
    return replace(
        first,
        location=location,
        users=tuple(dict.fromkeys(users.values())),
        origin=f"{there}used in {where}",
    )


def _line(place: Location, user: Module, module: Module) -> str:
    file = "" if user.real_path == module.real_path else f"{user.path.name} "
    cell = "" if place.cell is None else f"cell {place.cell} "
    return f"{file}{cell}line {place.line}"
