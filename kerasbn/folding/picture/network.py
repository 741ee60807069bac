"""The content of a picture: a model's layer calls, and the outcome of each BN."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from kerasbn.writing import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerasbn.folding.outcome import Folded, KeptBatchNorm
    from kerasbn.folding.plan import Plan
    from kerasbn.graph import Call

# NASNetLarge has 1,041 calls. A larger picture than this is unreadable, and none
# should take minutes to draw or fill a disk.
_MAX_BOXES = 4_000
_MAX_READS = 6_000

Role = Literal["backward", "forward", "kept", "absorber", "other"]


class Box(NamedTuple):
    """A call of a layer.

    Attributes:
        path: the layer's path.
        class_name: its class.
        role: the outcome of a BN, or whether the layer absorbed some.
        about: further information.
        reads: the numbers of the boxes that it reads.
    """

    path: str
    class_name: str
    role: Role
    about: tuple[str, ...]
    reads: tuple[int, ...]


class Network(NamedTuple):
    """The calls of a model, from its inputs to its outputs.

    Attributes:
        name: the model's name.
        boxes: the calls, each after those that it reads.
        missing: how many more calls there are.
    """

    name: str
    boxes: tuple[Box, ...]
    missing: int

    @classmethod
    def of(
        cls,
        name: str,
        plan: Plan,
        folded: Sequence[Folded],
        kept: Sequence[KeptBatchNorm],
    ) -> Network:
        """Build the network of a plan.

        Args:
            name: the model's name.
            plan: the plan for each BN.
            folded: the folded layers, as in the report.
            kept: the kept layers, likewise.
        """
        roles, about = _fates(folded, kept)
        boxes: list[Box] = []
        reads = 0
        for call in plan.flow.calls[:_MAX_BOXES]:
            path = call.layer.path
            sources = _sources(call)
            reads += len(sources)
            if reads > _MAX_READS:
                break
            notes = (*about[path], *_notes(call, plan))
            role = roles.get(path, "other")
            kind = visible(call.layer.class_name)
            about_it = tuple(map(visible, notes))
            boxes.append(Box(visible(path), kind, role, about_it, sources))
        return cls(visible(name), tuple(boxes), len(plan.flow.calls) - len(boxes))


def _fates(
    folded: Sequence[Folded], kept: Sequence[KeptBatchNorm]
) -> tuple[dict[str, Role], defaultdict[str, list[str]]]:
    """Path of a layer -> its role, and further information about it."""
    roles: dict[str, Role] = {}
    about: defaultdict[str, list[str]] = defaultdict(list)
    for gone in folded:
        for taker in gone["into"]:
            roles[taker] = "absorber"
            about[taker].append(f"absorbs {gone['layer']}")
    for stays in kept:
        roles[stays["layer"]] = "kept"
        about[stays["layer"]].insert(0, f"kept: {stays['reason']}")
    for gone in folded:
        roles[gone["layer"]] = gone["route"]
        about[gone["layer"]].append(
            f"folded {gone['route']} into {', '.join(gone['into'])}"
        )
    return roles, about


def _sources(call: Call) -> tuple[int, ...]:
    """The calls that one reads, each once, without unknown ones."""
    return tuple(dict.fromkeys(v.call for v in call.inputs if v.call >= 0))


def _notes(call: Call, plan: Plan) -> list[str]:
    calls = plan.flow.calls_of[call.layer.path]
    notes = []
    if len(calls) > 1:
        notes.append(f"call {calls.index(call) + 1} of {len(calls)}")
    if call.output in plan.flow.returned:
        notes.append("an output of the model")
    return notes
