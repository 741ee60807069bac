"""The search backward: from a BN to the layers that make its input."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerasbn.folding.carry import carrier, terms
from kerasbn.folding.conditions import (
    Obstacle,
    check_precise,
    check_undoable,
    described,
)
from kerasbn.folding.routes.case import as_obstacle
from kerasbn.folding.routes.forward import Demand

if TYPE_CHECKING:
    from kerasbn.folding.affine import Affine
    from kerasbn.folding.routes.absorbing import Absorbing
    from kerasbn.folding.routes.case import Case
    from kerasbn.folding.routes.ways import Way
    from kerasbn.graph import Call, Value


@dataclass
class Backward:
    """The search for layers that can make a different tensor for the BN to read.

    Attributes:
        case: the BN.
        absorbing: the collection of what is found.
        way: the changes that are allowed on the way.
        calls: every call on the way but the BN's own.
        carried: those of them that the map passes, and the BN's own.
        others: the maps that other readers of changed tensors have to undo.
    """

    case: Case
    absorbing: Absorbing
    way: Way
    calls: set[Call] = field(default_factory=set)
    carried: set[Call] = field(default_factory=set)
    others: list[Demand] = field(default_factory=list)
    _asked: dict[Value, Affine] = field(default_factory=dict)
    _pending: list[tuple[int, Value]] = field(default_factory=list)

    def search(self) -> None:
        """Search from the outputs of the model to its inputs.

        Raises:
            Obstacle: if something is in the way.
        """
        self.carried.update(self.case.own_calls)
        for call in self.case.own_calls:
            self._ask(call.inputs[0], self.case.affine)
        while self._pending:
            _, value = heapq.heappop(self._pending)
            affine = self._asked[value]
            self._look_at_readers(value, affine)
            producer = self._producer(value)
            self.calls.add(producer)
            if self.case.absorbs(producer):
                self.absorbing.note(producer, "output", affine)
                continue
            self.carried.add(producer)
            for source, asked in self._carried(producer, affine):
                self._ask(source, asked)
        if self.way.correcting:
            self._correct_other_calls()

    def _ask(self, value: Value, affine: Affine) -> None:
        """Request a map of a value, which must be the same for all who request one."""
        if value not in self._asked:
            self._asked[value] = affine
            heapq.heappush(self._pending, (-value.call, value))
        elif not self._asked[value].equals(affine):
            raise Obstacle(
                f"{self._name(value)} would have to be scaled and shifted in two "
                "different ways at once"
            )

    def _look_at_readers(self, value: Value, affine: Affine) -> None:
        """Find the readers of a value that gets a map, but did not request one."""
        readers = self.case.flow.consumers[value]
        others = [reader for reader in readers if reader not in self.carried]
        if others and not self.way.correcting:
            names = ", ".join(sorted({f"`{reader.layer.name}`" for reader in readers}))
            raise Obstacle(
                f"{self._name(value)} is read {len(readers)} times, by {names}"
            )
        if value in self.case.flow.returned:
            raise Obstacle(f"{self._name(value)} is also an output of the model")
        if others:
            check_undoable(self.case.batch_norm, self.case.affine, self.case.archive)
            self.others.append(Demand(value, affine.inverse(), tuple(others)))

    def _correct_other_calls(self) -> None:
        """Let the readers of a changed layer's other outputs undo the change."""
        for call, affine in self.absorbing.other_calls():
            check_undoable(self.case.batch_norm, self.case.affine, self.case.archive)
            self.absorbing.note(call, "output", affine)
            self.calls.add(call)
            demand = Demand.all_readers(self.case, call.output, affine.inverse())
            for reader in demand.readers:
                if reader.layer.is_batch_norm:
                    check_precise(reader, affine, self.case.flow, self.case.archive)
            self.others.append(demand)

    def _producer(self, value: Value) -> Call:
        producer = self.case.flow.producer(value)
        if producer is None or producer.layer.class_name == "InputLayer":
            raise Obstacle("reads an input of the model")
        if value.output:
            raise Obstacle(f"reads {described(producer.layer)}, which has more outputs")
        if producer.layer is self.case.batch_norm:
            raise Obstacle(f"`{producer.layer.name}` reads itself")
        return producer

    def _carried(self, call: Call, affine: Affine) -> list[tuple[Value, Affine]]:
        """Return the map of each input of a carrier."""
        if call.layer.path in self.case.gone:
            return [(call.inputs[0], affine)]
        passing = carrier(call)
        if passing is None:
            raise Obstacle(f"reads {described(call.layer)}, which cannot absorb it")
        with as_obstacle(f"reads {described(call.layer)}"):
            site = self.case.site(call)
            if self.way.adjusting and (term := passing.term(site)) is not None:
                before, value = terms.backward(term, site, affine)
                self.absorbing.note_constant(call, term, value)
                return [(call.inputs[0], before)]
            maps = passing.backward(site, affine)
            return list(zip(call.inputs, maps, strict=True))

    def _name(self, value: Value) -> str:
        producer = self.case.flow.producer(value)
        return "the input" if producer is None else f"`{producer.layer.name}`"
