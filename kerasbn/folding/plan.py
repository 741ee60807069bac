"""The plan: which BN goes which way, and why each of the others stays.

The BN layers are tried one after the other, from the inputs to the outputs, backward
and then forward. A layer that has gone is no longer an obstacle, so they are tried
again until none goes. Those that are left may go by correcting the other readers of
their inputs. A BN that stays may absorb others. Each fold is exact by itself, and so
are all together.

Why the order hardly matters: call a tensor bound if something nonlinear reads or makes
it, and free up to an affine map otherwise. A BN that goes ties its input to its output,
and no two bound tensors may be tied: the BN layers that go form a forest, and a forest
that cannot grow has as many edges as any other. Concatenations, which tie parts of
tensors, are outside this argument.

Constants that the model adds are not changed if the BN can go without.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from kerasbn.folding.conditions import (
    Obstacle,
    check_batch_norm,
    kept_axes,
    read_affine,
)
from kerasbn.folding.routes import BACKWARD, CORRECTING, FORWARD, Case, find_fold
from kerasbn.graph import Flow
from kerasbn.graph.reading import is_serialised_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kerasbn.archive import Archive
    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.folding.routes import Fold, Way
    from kerasbn.folding.routes.ways import Route
    from kerasbn.graph import Argument, Graph, Layer


@dataclass(frozen=True)
class Kept:
    """A BN that stays, and the reason."""

    batch_norm: Layer
    reason: str


@dataclass(frozen=True)
class Plan:
    """The outcome planned for each BN of a model.

    Attributes:
        folds: those that go, in the order in which they were found.
        kept: those that stay, in the order of the graph.
        batch_norms: all of them, in the order of the graph.
        flow: the calls of the model.
    """

    folds: tuple[Fold, ...]
    kept: tuple[Kept, ...]
    batch_norms: tuple[Layer, ...]
    flow: Flow

    @property
    def gone(self) -> dict[str, Layer]:
        """The BN layers that go, by path."""
        return {fold.batch_norm.path: fold.batch_norm for fold in self.folds}

    def in_graph_order(self) -> list[Fold]:
        """The folds in the order of the graph."""
        folds = {fold.batch_norm.path: fold for fold in self.folds}
        return [folds[bn.path] for bn in self.batch_norms if bn.path in folds]

    def takers(self, fold: Fold) -> list[str]:
        """Return the paths of the layers in which a BN ends up.

        What a BN absorbed moves on with it if it goes later.
        """
        later = {fold.batch_norm.path: fold for fold in self.folds}
        paths: dict[str, None] = {}
        for absorption in fold.absorptions:
            path = absorption.layer.path
            paths.update(
                dict.fromkeys(self.takers(later[path]) if path in later else [path])
            )
        return list(paths)


def make_plan(
    graph: Graph, archive: Archive, staying: Mapping[str, str] = MappingProxyType({})
) -> Plan:
    """Decide about every BN that the graph shows, at any depth.

    Args:
        graph: the outermost model's.
        archive: the file that it was read from.
        staying: path of a BN that must stay -> the reason.

    Raises:
        UnusableFileError: if required weights are missing from the file.
    """
    return _Planning(graph, archive, staying).plan()


class _Planning:
    def __init__(
        self, graph: Graph, archive: Archive, staying: Mapping[str, str]
    ) -> None:
        self._archive = archive
        self._flow = Flow.of(graph)
        self._batch_norms = [node for node in graph.walk() if node.is_batch_norm]
        self._folds: dict[str, Fold] = {}
        self._reasons = dict(staying)
        self._affines: dict[str, Affine] = {}
        self._constants: defaultdict[str, dict[Argument, Float64]] = defaultdict(dict)

    def plan(self) -> Plan:
        pending = self._usable()
        for ways in self._stages():
            # Of several that read one tensor, or parts of it, the last one reads most.
            last_first = ways[-1].correcting
            pending.sort(key=self._first_call, reverse=last_first)
            tried = None
            while tried != pending:
                tried = pending
                pending = [fold for fold in tried if not self._goes(fold, ways)]
        return Plan(
            tuple(self._folds.values()),
            tuple(
                Kept(batch_norm, self._reasons[batch_norm.path])
                for batch_norm in self._batch_norms
                if batch_norm.path not in self._folds
            ),
            tuple(self._batch_norms),
            self._flow,
        )

    def _stages(self) -> list[tuple[Way, ...]]:
        """Return the ways to try until no BN goes any more, and those to try then."""
        stages: list[tuple[Way, ...]] = [(BACKWARD, FORWARD), (CORRECTING,)]
        if any(
            not is_serialised_tensor(operand.value)
            for call in self._flow.calls
            for operand in call.node.operands
        ):
            stages.insert(1, tuple(way._replace(adjusting=True) for way in stages[0]))
            stages.append((CORRECTING._replace(adjusting=True),))
        return [sum(stages[:count], ()) for count in range(1, len(stages) + 1)]

    def _first_call(self, batch_norm: Layer) -> int:
        return self._flow.calls_of[batch_norm.path][0].number

    def _usable(self) -> list[Layer]:
        """Return the BN layers that are affine maps."""
        usable = []
        for batch_norm in self._batch_norms:
            if batch_norm.path in self._reasons:
                continue
            try:
                check_batch_norm(batch_norm, self._flow)
                call = self._flow.calls_of[batch_norm.path][0]
                axes = kept_axes(batch_norm, call, self._flow)
                affine = read_affine(batch_norm, self._archive, axes)
                if not affine.is_finite:
                    raise Obstacle(
                        "its statistics are not finite or its variance is negative"
                    )
            except Obstacle as obstacle:
                self._reasons[batch_norm.path] = str(obstacle)
                continue
            self._affines[batch_norm.path] = affine
            usable.append(batch_norm)
        return usable

    def _goes(self, batch_norm: Layer, ways: Sequence[Way]) -> bool:
        """Whether a BN can go now; if not, the reason is noted.

        If a direction was tried in several ways, the last one's reason counts.
        """
        obstacles: dict[Route, str] = {}
        case = Case(
            batch_norm,
            self._affines,
            self._flow,
            self._archive,
            self._folds.keys(),
            self._constants,
        )
        for way in ways:
            try:
                fold = find_fold(case, way)
            except Obstacle as obstacle:
                if not way.correcting:  # Its obstacles concern other layers.
                    obstacles[way.route] = str(obstacle)
                continue
            self._folds[batch_norm.path] = fold
            self._compose(fold)
            return True
        self._reasons[batch_norm.path] = "; ".join(dict.fromkeys(obstacles.values()))
        return False

    def _compose(self, fold: Fold) -> None:
        """Update the maps of BN layers that have absorbed others, and constants."""
        for new in fold.constants:
            self._constants[new.layer.path][new.argument] = new.value
        for absorption in fold.absorptions:
            if absorption.layer.is_batch_norm:
                path = absorption.layer.path
                self._affines[path] = absorption.composed(self._affines[path])
