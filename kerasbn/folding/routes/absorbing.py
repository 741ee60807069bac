"""What the layers at the ends of a BN's way have to take in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerasbn.folding.absorb import ABSORBERS
from kerasbn.folding.conditions import (
    Obstacle,
    check_absorber,
    described,
    kept_axes,
    linear_entry,
)
from kerasbn.folding.routes.ways import Absorption

if TYPE_CHECKING:
    from kerasbn.folding.absorb.base import Side
    from kerasbn.folding.affine import Affine
    from kerasbn.folding.routes.case import Case
    from kerasbn.graph import Call


@dataclass
class Absorbing:
    """The absorptions found so far, and the calls that asked for each."""

    case: Case
    _found: dict[tuple[str, Side], tuple[Absorption, list[Call]]] = field(
        default_factory=dict
    )

    def note(self, call: Call, side: Side, affine: Affine) -> None:
        """Let a layer absorb a map for one of its calls.

        Raises:
            Obstacle: if it may not, or would need another map for another call.
        """
        layer = call.layer
        if not affine.is_finite:
            raise Obstacle(f"`{layer.name}` would get weights that are not finite")
        check_absorber(self.case.batch_norm, call, side, self.case.archive)
        if layer.is_batch_norm:
            axes = self._batch_norm_axes(call)
        else:
            axes = self._linear_axes(call, side, affine)
        if not set(affine.axes) <= set(axes):
            raise Obstacle(
                f"axis={self.case.batch_norm.config.get('axis', -1)} is not where "
                f"`{layer.name}` has weights of its own"
            )
        absorption, calls = self._found.setdefault(
            (layer.path, side), (Absorption(layer, side, affine), [])
        )
        if not absorption.affine.equals(affine):
            raise Obstacle(f"`{layer.name}` is called twice and would need two maps")
        calls.append(call)

    def absorptions(self) -> tuple[Absorption, ...]:
        """All of them, in the order of the graph.

        Raises:
            Obstacle: if a layer is called elsewhere, too.
        """
        for (path, _), (absorption, calls) in self._found.items():
            if (count := len(self.case.flow.calls_of[path])) != len(calls):
                raise Obstacle(
                    f"`{absorption.layer.name}` is called {count} times with the same "
                    "weights"
                )
        found = sorted(self._found.values(), key=lambda each: each[1][0].number)
        return tuple(absorption for absorption, _ in found)

    def _batch_norm_axes(self, call: Call) -> tuple[int, ...]:
        if call.layer.path not in self.case.affines:
            raise Obstacle(f"{described(call.layer)} is not an affine map")
        return kept_axes(call.layer, call, self.case.flow)

    def _linear_axes(self, call: Call, side: Side, affine: Affine) -> tuple[int, ...]:
        entry = linear_entry(call.layer) or call.layer.entry
        absorber = ABSORBERS[entry.class_name]
        reason = absorber.unevenness(entry.config)
        if side == "input" and affine.has_shift and reason:
            raise Obstacle(f"is read by {described(call.layer)}, which {reason}")
        return absorber.own_axes(entry.config, side)
