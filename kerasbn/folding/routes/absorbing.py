"""Absorption of a BN's map: by layers at the ends of its way, constants along it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kerasbn.folding.absorb import ABSORBERS
from kerasbn.folding.affine import Affine
from kerasbn.folding.conditions import (
    Obstacle,
    check_absorber,
    described,
    kept_axes,
    linear_entry,
)
from kerasbn.folding.routes.ways import Absorption, NewConstant

if TYPE_CHECKING:
    from kerasbn.folding.absorb.base import Side
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.carry.base import Term
    from kerasbn.folding.routes.case import Case
    from kerasbn.graph import Argument, Call, Layer


@dataclass
class Absorbing:
    """The absorptions and new constants found, and the calls that require each."""

    case: Case
    _found: dict[tuple[str, Side], tuple[Absorption, list[Call]]] = field(
        default_factory=dict
    )
    _constants: dict[tuple[str, Argument], tuple[NewConstant, list[Call]]] = field(
        default_factory=dict
    )

    def note(self, call: Call, side: Side, affine: Affine) -> None:
        """Let a layer absorb a map for one of its calls.

        Raises:
            Obstacle: if it cannot, or would need another map for another call.
        """
        layer = call.layer
        if not affine.is_finite:
            raise Obstacle(f"`{layer.name}` would get weights that are not finite")
        check_absorber(self.case.batch_norm, call, side, self.case.archive)
        if layer.is_batch_norm:
            axes = self._batch_norm_axes(call)
        else:
            axes = self._linear_axes(call, side, affine)
        self._check_axes(call, affine, axes)
        absorption, calls = self._found.setdefault(
            (layer.path, side), (Absorption(layer, side, affine), [])
        )
        if not absorption.affine.equals(affine):
            raise Obstacle(
                f"`{layer.name}` is called {self._count(call)} times, and its calls "
                "would need different weights"
            )
        calls.append(call)

    def note_constant(self, call: Call, term: Term, value: Float64) -> None:
        """Let a constant take another value for one call.

        Raises:
            Obstacle: if it would need another value for another call.
        """
        new = NewConstant(call.layer, term.argument, value, term.dtype)
        first, calls = self._constants.setdefault(
            (call.layer.path, term.argument), (new, [])
        )
        if not np.array_equal(first.value, value):
            raise _needs_two_values(call.layer)
        calls.append(call)

    def other_calls(self) -> list[tuple[Call, Affine]]:
        """The calls of layers with a new output that did not require it."""
        return [
            (call, absorption.affine)
            for (path, side), (absorption, calls) in self._found.items()
            for call in self.case.flow.calls_of[path]
            if side == "output" and call not in calls
        ]

    def absorptions(self) -> tuple[Absorption, ...]:
        """Return all absorptions, in the order of the graph.

        Raises:
            Obstacle: if a layer is called elsewhere, too.
        """
        for absorption, calls in self._found.values():
            if (count := self._count(calls[0])) != len(calls):
                raise Obstacle(
                    f"`{absorption.layer.name}` is called {count} times with the same "
                    "weights, and not every time with this BN"
                )
        found = sorted(self._found.values(), key=lambda entry: entry[1][0].number)
        return tuple(absorption for absorption, _ in found)

    def constants(self) -> tuple[NewConstant, ...]:
        """The new constants.

        Raises:
            Obstacle: if one is part of a nested model that is also called elsewhere.
        """
        for new, calls in self._constants.values():
            same = [
                call
                for call in self.case.flow.calls_of[new.layer.path]
                if call.node is calls[0].node
            ]
            if len(same) != len(calls):
                raise _needs_two_values(new.layer)
        return tuple(new for new, _ in self._constants.values())

    def _count(self, call: Call) -> int:
        return len(self.case.flow.calls_of[call.layer.path])

    def _check_axes(self, call: Call, affine: Affine, axes: tuple[int, ...]) -> None:
        """Check that the map differs only along axes where weights do."""
        name, own = call.layer.name, self.case.batch_norm.config.get("axis", -1)
        if set(affine.axes) <= set(axes):
            return
        if call.layer.is_batch_norm:
            raise Obstacle(f"BN `{name}` has another axis than axis={own}")
        if affine.axes == self.case.affine.axes:
            raise Obstacle(f"axis={own} is not the channel axis of `{name}`")
        if set(Affine(affine.scale, np.zeros(())).axes) <= set(axes):
            raise Obstacle(
                f"`{name}` would need a bias that differs from place to place, as does "
                "a constant between them"
            )
        raise Obstacle(
            f"an operation in between moves axis={own} away from the channel axis of "
            f"`{name}`"
        )

    def _batch_norm_axes(self, call: Call) -> tuple[int, ...]:
        if call.layer.path not in self.case.affines:
            raise Obstacle(
                f"{described(call.layer)} does not scale and shift by fixed numbers"
            )
        return kept_axes(call.layer, call, self.case.flow)

    def _linear_axes(self, call: Call, side: Side, affine: Affine) -> tuple[int, ...]:
        entry = linear_entry(call.layer) or call.layer.entry
        absorber = ABSORBERS[entry.class_name]
        reason = absorber.unevenness(entry.config)
        if side == "input" and affine.has_shift and reason:
            raise Obstacle(f"is read by {described(call.layer)}, which {reason}")
        return absorber.own_axes(entry.config, side)


def _needs_two_values(layer: Layer) -> Obstacle:
    return Obstacle(
        f"the constant of `{layer.name}` is used more than once, and would need a "
        "different value each time"
    )
