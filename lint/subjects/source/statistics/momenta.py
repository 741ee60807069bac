"""The momenta that BN layers get, each number once.

A number that several layers get is one mistake with one place to put it right: the
number itself, also if the layers are in other files.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ..reading.limits import FILES_SHARING
from ..reading.memo import remembered
from .given_momenta import given_momenta, with_keyword

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....findings import Location
    from ..reading.module import Module
    from ..reading.values import Literal
    from .given_momenta import Momentum

    # Where a number stands in its file, which may be parsed more than once.
    Number = tuple[int, int]
    Given = tuple[Module, Momentum]

_MOST_SHOWN = 8
# A file whose numbers may be momenta of others.
_SIGN = re.compile(
    r"(?i)(momentum|decay|mom\b|bn|norm)\w*[\"']?\)?\s*(:[^=\n]*)?[=:,]\s*[\"']?[\d.]"
)


def momenta(module: Module) -> Iterator[Momentum]:
    """Yield the momenta that are given to BN layers, each number once.

    A number used in several places is given at the number itself; one used in several
    files is given only in its own, if that is linted as well.
    """
    shared = _shared(module)
    own: dict[Literal, list[Given]] = {}
    for momentum in given_momenta(module):
        own.setdefault(momentum.literal, []).append((module, momentum))
    for literal, given in own.items():
        is_shared_here = _is_of(literal, module) and _number(literal) in shared
        if not is_shared_here and not _is_shown_at_home(module, literal):
            yield _once(module, given)
    for given in shared.values():
        yield _once(module, given)


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
        and any(
            user.real_path == module.real_path
            for user, _ in _shared(home).get(_number(literal), ())
        )
    )


@remembered
def _shared(home: Module) -> dict[Number, list[Given]]:
    """The numbers of a module that several files give to BN layers, with each place."""
    if not home.matches(_SIGN):
        return {}
    users = [
        user
        for user in home.project.naming(home.imported_as)
        if user.real_path != home.real_path
    ]
    if not 0 < len(users) <= FILES_SHARING:
        return {}
    found: dict[Number, list[Given]] = {}
    for user in (home, *users):
        for momentum in given_momenta(user):
            if _is_of(momentum.literal, home):
                number = _number(momentum.literal)
                found.setdefault(number, []).append((user, momentum))
    return {
        number: given
        for number, given in found.items()
        if len({user.real_path for user, _ in given}) > 1
    }


def _once(module: Module, given: Sequence[Given]) -> Momentum:
    """One momentum for all that share a number, at the number if it is here."""
    (_, first), *_ = given
    places = {momentum.location: user for user, momentum in given}
    if len(places) == 1:
        return first
    is_here = _is_of(first.literal, module)
    location = first.location
    if is_here:
        node = with_keyword(first.literal.module, first.literal.node)
        location = module.location(node)
    lines = list(
        dict.fromkeys(_line(place, user, module) for place, user in places.items())
    )
    where = ", ".join(lines[:_MOST_SHOWN]) + ", ..." * (len(lines) > _MOST_SHOWN)
    there = "" if is_here else f"{first.origin}, "
    return replace(first, location=location, origin=f"{there}used in {where}")


def _line(place: Location, user: Module, module: Module) -> str:
    file = "" if user.real_path == module.real_path else f"{user.path.name} "
    cell = "" if place.cell is None else f"cell {place.cell} "
    return f"{file}{cell}line {place.line}"
