"""The parts of a model that folding changes, cut out for a proof of their own.

A segment holds the calls between which maps have moved: BN, the layers that absorb
them, and the carriers in between. Outside it nothing has changed, so with the same
inputs its outputs must be the same before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasbn.folding.apply import FoldedModel
    from kerasbn.graph import Call, Flow, Value


@dataclass(frozen=True)
class Segment:
    """Calls that can only be compared together.

    Attributes:
        calls: in topological order.
        inputs: the values that come from outside.
        outputs: the values that are read outside or not at all.
        changed: the paths of the layers that get new weights.
        ends: those of them whose outputs nothing in the segment reads. They are linear
            up to their activations, which have not changed and may hide a difference.
    """

    calls: tuple[Call, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    changed: tuple[str, ...]
    ends: frozenset[str]


def segments(folded: FoldedModel) -> list[Segment]:
    """Return the segments of a folded model; folds that share a layer share one."""
    plan = folded.plan
    groups: list[tuple[set[str], set[Call]]] = []
    for fold in plan.folds:
        paths = {fold.batch_norm.path, *(a.layer.path for a in fold.absorptions)}
        calls = set(fold.calls)
        apart = []
        for other in groups:
            if paths & other[0] or calls & other[1]:
                paths |= other[0]
                calls |= other[1]
            else:
                apart.append(other)
        groups = [*apart, (paths, calls)]
    return [_segment(calls, folded) for _, calls in groups]


def _segment(calls: set[Call], folded: FoldedModel) -> Segment:
    flow = folded.plan.flow
    ordered = sorted(calls, key=lambda call: call.number)
    made = {call.number for call in ordered}
    taken = dict.fromkeys(value for call in ordered for value in call.inputs)
    read = {value.call for value in taken}
    changed = dict.fromkeys(
        call.layer.path for call in ordered if call.layer.path in folded.changed
    )
    inner = {call.layer.path for call in ordered if call.number in read}
    return Segment(
        tuple(ordered),
        tuple(value for value in taken if value.call not in made),
        tuple(
            call.output
            for call in ordered
            if _is_read_outside(call.output, calls, flow)
        ),
        tuple(changed),
        frozenset(changed.keys() - inner),
    )


def _is_read_outside(value: Value, calls: set[Call], flow: Flow) -> bool:
    readers = flow.consumers[value]
    return (
        value in flow.returned
        or not readers
        or any(reader not in calls for reader in readers)
    )
