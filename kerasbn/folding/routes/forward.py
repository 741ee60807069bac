"""The search forward: from a tensor to its readers."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kerasbn.folding.affine import IDENTITY
from kerasbn.folding.carry import carrier, terms
from kerasbn.folding.conditions import Obstacle, described
from kerasbn.folding.routes.case import as_obstacle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kerasbn.folding.affine import Affine
    from kerasbn.folding.routes.absorbing import Absorbing
    from kerasbn.folding.routes.case import Case
    from kerasbn.folding.routes.ways import Way
    from kerasbn.graph import Call, Value


class Demand(NamedTuple):
    """A value that its readers have to map from now on.

    Attributes:
        value: the value.
        affine: the map.
        readers: the calls that have to.
    """

    value: Value
    affine: Affine
    readers: tuple[Call, ...]

    @classmethod
    def all_readers(cls, case: Case, value: Value, affine: Affine) -> Demand:
        """Let all readers of a value map it.

        Raises:
            Obstacle: if it is an output of the model.
        """
        if value in case.flow.returned:
            raise Obstacle("is an output of the model")
        return cls(value, affine, tuple(case.flow.consumers[value]))


@dataclass
class Forward:
    """The search for layers that can read a different tensor.

    Attributes:
        case: the BN.
        absorbing: the collection of what is found.
        way: the changes that are allowed on the way.
        carried: the calls already passed, none of which may be reached again.
        calls: every call on the way.
    """

    case: Case
    absorbing: Absorbing
    way: Way
    carried: Collection[Call]
    calls: set[Call] = field(default_factory=set)
    _maps: dict[Value, Affine] = field(default_factory=dict)
    _pending: list[tuple[int, Call]] = field(default_factory=list)

    def search(self, start: Iterable[Demand]) -> None:
        """Search from the inputs of the model to its outputs.

        Raises:
            Obstacle: if something is in the way.
        """
        for demand in start:
            self._note(demand)
        while self._pending:
            _, call = heapq.heappop(self._pending)
            if call in self.calls:
                continue
            if call in self.carried:
                raise Obstacle(
                    f"{described(call.layer)} reads what comes before it and what "
                    "comes after it"
                )
            self.calls.add(call)
            if self.case.absorbs(call):
                self.absorbing.note(call, "input", self._map_of_first(call))
            else:
                affine = self._carried_on(call)
                self._note(Demand.all_readers(self.case, call.output, affine))

    def _note(self, demand: Demand) -> None:
        self._maps[demand.value] = demand.affine
        for reader in demand.readers:
            heapq.heappush(self._pending, (reader.number, reader))

    def _map_of_first(self, call: Call) -> Affine:
        """Return the map that a layer absorbs, that of its first input."""
        if call.inputs[0] not in self._maps:
            raise Obstacle(f"`{call.layer.name}` is called with more than one tensor")
        return self._maps[call.inputs[0]]

    def _carried_on(self, call: Call) -> Affine:
        """Return the map of a carrier's output."""
        maps = [self._maps.get(value, IDENTITY) for value in call.inputs]
        if call.layer.path in self.case.gone:
            return maps[0]
        passing = carrier(call)
        if passing is None:
            raise Obstacle(
                f"is read by {described(call.layer)}, which cannot absorb it"
            )
        with as_obstacle(f"is read by {described(call.layer)}"):
            site = self.case.site(call)
            if self.way.adjusting and (term := passing.term(site)) is not None:
                behind, value = terms.forward(term, site, maps[0])
                self.absorbing.note_constant(call, term, value)
                return behind
            return passing.forward(site, maps)
