"""The ways for a BN to go.

Backward: the tensor x that the BN reads becomes s * x + t, and whatever makes x takes
that in. Forward: whoever reads y gets x instead, and takes s * x + t in. Either way
the map travels through carriers, from tensor to tensor, until a linear layer or
another BN has absorbed it at every end; anything else in the way is an obstacle.
A third way goes backward through tensors that others read as well, who then absorb the
inverse map: where several BN read one linear tensor, it saves one of them.

A layer may absorb only what all of its calls ask of it alike.
"""

from __future__ import annotations

import heapq
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from kerasbn.folding.absorb import ABSORBERS, own_axes
from kerasbn.folding.affine import IDENTITY
from kerasbn.folding.carry import CannotCarry, Site, carrier
from kerasbn.folding.conditions import (
    Obstacle,
    check_absorber,
    check_dtypes,
    check_undoable,
    described,
    kept_axes,
    linear_entry,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kerasbn.archive import Archive
    from kerasbn.folding.absorb import Side
    from kerasbn.folding.affine import Affine
    from kerasbn.graph import Call, Flow, Layer, Value

Route = Literal["backward", "forward"]


class Way(NamedTuple):
    """A way for a BN to go.

    Attributes:
        route: whether the layers before it or those behind it take it in.
        correcting: whether tensors that others read, too, may change on the way; the
            others then absorb the inverse map. Backward only.
    """

    route: Route
    correcting: bool = False


BACKWARD = Way("backward")
FORWARD = Way("forward")
CORRECTING = Way("backward", correcting=True)


class Absorption(NamedTuple):
    """What one layer takes in for one BN.

    Attributes:
        layer: an absorber, or another BN.
        side: whether the map is of its input or of its output.
        affine: the map.
    """

    layer: Layer
    side: Side
    affine: Affine

    def composed(self, own: Affine) -> Affine:
        """What a BN that did `own` does together with the map."""
        return (
            own.after(self.affine) if self.side == "input" else self.affine.after(own)
        )


class Fold(NamedTuple):
    """A BN that goes, and what takes it in.

    Attributes:
        batch_norm: the BN.
        route: whether the layers before it or those behind it take it in.
        absorptions: what each of these takes in.
        calls: every call on the way, its own and the absorbers' among them, in
            topological order.
    """

    batch_norm: Layer
    route: Route
    absorptions: tuple[Absorption, ...]
    calls: tuple[Call, ...]


@dataclass
class Search:
    """A search for the absorbers of one BN.

    Attributes:
        batch_norm: the BN.
        affines: what each BN that may go or absorb does, by path.
        flow: the calls of the model.
        archive: the file.
        gone: the paths of the BN that have gone already.
    """

    batch_norm: Layer
    affines: Mapping[str, Affine]
    flow: Flow
    archive: Archive
    gone: Collection[str]
    _found: dict[tuple[str, Side], tuple[Absorption, list[Call]]] = field(
        default_factory=dict
    )
    _asked: dict[Value, Affine] = field(default_factory=dict)
    _told: dict[Value, Affine] = field(default_factory=dict)
    _calls: set[Call] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._calls.update(self._own_calls())

    def along(self, way: Way) -> Fold:
        """The fold by which the BN goes a way.

        Raises:
            Obstacle: if it cannot.
        """
        if way.route == "backward":
            self._go_backward(way.correcting)
        else:
            self._go_forward()
        calls = sorted(self._calls, key=lambda call: call.number)
        return Fold(
            self.batch_norm, way.route, tuple(self._absorptions()), tuple(calls)
        )

    def _go_backward(self, correcting: bool) -> None:
        carried = set(self._own_calls())
        others: list[tuple[Value, Call]] = []
        pending: list[tuple[int, Value]] = []
        for call in self._own_calls():
            self._ask(call.inputs[0], self._affine, pending)
        while pending:  # From the outputs to the inputs of the model.
            _, value = heapq.heappop(pending)
            others += self._other_readers(value, carried, correcting)
            producer = self._producer(value)
            self._calls.add(producer)
            if self._absorbs(producer):
                self._note(producer, "output", self._asked[value])
                continue
            carried.add(producer)
            for source, affine in self._carried_back(producer, self._asked[value]):
                self._ask(source, affine, pending)
        if others:
            self._correct(others, carried)

    def _go_forward(self) -> None:
        pending: list[tuple[int, Call]] = []
        for call in self._own_calls():
            self._tell(call.output, self._affine, pending)
        self._tell_on(pending, set(self._own_calls()))

    def _correct(
        self, others: list[tuple[Value, Call]], carried: Collection[Call]
    ) -> None:
        """Let the other readers of tensors that get a map undo it."""
        check_undoable(self.batch_norm, self._affine, self.archive)
        pending: list[tuple[int, Call]] = []
        for value, reader in others:
            self._told[value] = self._asked[value].inverse()
            heapq.heappush(pending, (reader.number, reader))
        self._tell_on(pending, carried)

    @property
    def _affine(self) -> Affine:
        return self.affines[self.batch_norm.path]

    def _own_calls(self) -> list[Call]:
        return self.flow.calls_of[self.batch_norm.path]

    # Backward.

    def _ask(
        self, value: Value, affine: Affine, pending: list[tuple[int, Value]]
    ) -> None:
        """Ask for a value's map, which must be the same for all who ask."""
        if value not in self._asked:
            self._asked[value] = affine
            heapq.heappush(pending, (-value.call, value))
        elif not self._asked[value].equals(affine):
            raise Obstacle(f"{self._name(value)} would need two maps at once")

    def _other_readers(
        self, value: Value, carried: Collection[Call], correcting: bool
    ) -> list[tuple[Value, Call]]:
        """Who reads a value that gets a map, but did not ask for one."""
        readers = self.flow.consumers[value]
        others = [(value, reader) for reader in readers if reader not in carried]
        if others and not correcting:
            names = ", ".join(sorted({f"`{reader.layer.name}`" for reader in readers}))
            raise Obstacle(
                f"{self._name(value)} is read {len(readers)} times, by {names}"
            )
        if value in self.flow.returned:
            raise Obstacle(f"{self._name(value)} is an output of the model, too")
        return others

    def _producer(self, value: Value) -> Call:
        producer = self.flow.producer(value)
        if producer is None or producer.layer.class_name == "InputLayer":
            raise Obstacle("reads an input of the model")
        if value.output:
            raise Obstacle(f"reads {described(producer.layer)}, which has more outputs")
        if producer.layer is self.batch_norm:
            raise Obstacle(f"`{producer.layer.name}` reads itself")
        return producer

    def _carried_back(self, call: Call, affine: Affine) -> list[tuple[Value, Affine]]:
        if call.layer.path in self.gone:
            return [(call.inputs[0], affine)]
        passing = carrier(call)
        if passing is None:
            raise Obstacle(f"reads {described(call.layer)}, which cannot take it in")
        with _as_obstacle(f"reads {described(call.layer)}"):
            maps = passing.backward(self._site(call), affine)
            return list(zip(call.inputs, maps, strict=True))

    # Forward.

    def _tell(
        self, value: Value, affine: Affine, pending: list[tuple[int, Call]]
    ) -> None:
        """Tell all readers of a value that they have to map it from now on."""
        if value in self.flow.returned:
            raise Obstacle("is an output of the model")
        self._told[value] = affine
        for reader in self.flow.consumers[value]:
            heapq.heappush(pending, (reader.number, reader))

    def _tell_on(
        self, pending: list[tuple[int, Call]], carried: Collection[Call]
    ) -> None:
        """Tell whoever comes after, from the inputs to the outputs of the model."""
        done: set[Call] = set()
        while pending:
            _, call = heapq.heappop(pending)
            if call in done:
                continue
            if call in carried:
                raise Obstacle(f"{described(call.layer)} is before it and behind it")
            done.add(call)
            self._calls.add(call)
            if self._absorbs(call):
                self._note(call, "input", self._told[call.inputs[0]])
            else:
                self._tell(call.output, self._carried_on(call), pending)

    def _carried_on(self, call: Call) -> Affine:
        maps = [self._told.get(value, IDENTITY) for value in call.inputs]
        if call.layer.path in self.gone:
            return maps[0]
        passing = carrier(call)
        if passing is None:
            raise Obstacle(
                f"is read by {described(call.layer)}, which cannot take it in"
            )
        with _as_obstacle(f"is read by {described(call.layer)}"):
            return passing.forward(self._site(call), maps)

    # Both.

    def _site(self, call: Call) -> Site:
        check_dtypes(self.batch_norm, call.layer)
        return Site.of(
            call,
            self.flow,
            lambda: [
                stored.read() for stored in self.archive.variables(call.layer.path)
            ],
        )

    def _absorbs(self, call: Call) -> bool:
        layer = call.layer
        if layer.path in self.gone or layer.entry.is_operator:
            return False
        return layer.is_batch_norm or linear_entry(layer) is not None

    def _note(self, call: Call, side: Side, affine: Affine) -> None:
        """Let a layer absorb a map for one of its calls."""
        layer = call.layer
        if not affine.is_finite:
            raise Obstacle(f"`{layer.name}` would get weights that are not finite")
        check_absorber(self.batch_norm, call, side, self.archive)
        if layer.is_batch_norm:
            if layer.path not in self.affines:
                raise Obstacle(f"{described(layer)} is not an affine map")
            axes = kept_axes(layer, call, self.flow)
        else:
            entry = linear_entry(layer) or layer.entry
            kind, config = entry.class_name, entry.config
            axes = own_axes(kind, config, side)
            reason = ABSORBERS[kind].unevenness(config)
            if side == "input" and affine.has_shift and reason:
                raise Obstacle(f"is read by {described(layer)}, which {reason}")
        if not set(affine.axes) <= set(axes):
            raise Obstacle(
                f"axis={self.batch_norm.config.get('axis', -1)} is not where "
                f"`{layer.name}` has weights of its own"
            )
        absorption, calls = self._found.setdefault(
            (layer.path, side), (Absorption(layer, side, affine), [])
        )
        if not absorption.affine.equals(affine):
            raise Obstacle(f"`{layer.name}` is called twice and would need two maps")
        calls.append(call)

    def _absorptions(self) -> list[Absorption]:
        for (path, _), (absorption, calls) in self._found.items():
            if (count := len(self.flow.calls_of[path])) != len(calls):
                raise Obstacle(
                    f"`{absorption.layer.name}` is called {count} times with the same "
                    "weights"
                )
        found = sorted(self._found.values(), key=lambda each: each[1][0].number)
        return [absorption for absorption, _ in found]

    def _name(self, value: Value) -> str:
        producer = self.flow.producer(value)
        return "the input" if producer is None else f"`{producer.layer.name}`"


@contextmanager
def _as_obstacle(place: str) -> Iterator[None]:
    """Turn what a carrier raises into an obstacle; a file may hold any arguments."""
    try:
        with np.errstate(all="ignore"):  # What is not finite is found in the end.
            yield
    except CannotCarry as reason:
        raise Obstacle(f"{place}, which {reason}") from reason
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Obstacle(f"{place}, whose arguments make no sense") from error
