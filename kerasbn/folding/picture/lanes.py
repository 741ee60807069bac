"""The arrangement of boxes side by side in a column, and of lines past boxes.

A lane is as wide as a box. A chain of layers stays in one lane; of several layers that
read one tensor, the one with the longest path ahead stays in its lane and the others
open lanes to the right, as in the graph of a version control system. A line that must
pass a box takes a wire, a thin strip to the right of the lane.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kerasbn.folding.picture.ranks import Ranks


class Place(NamedTuple):
    """The place of a line: in a lane, or on one of its wires, which count from 1."""

    lane: int
    wire: int = 0


class Lanes:
    """The lanes of one column.

    Attributes:
        rows: the rows of the column.
        entering: the boxes of earlier columns whose lines enter at its top.
        lane: box -> its lane, for the boxes of the column.
        start: box -> the place where its line starts.
        moves: box -> the row above which its line moves to a wire, and the wire.
    """

    def __init__(self, ranks: Ranks, rows: range) -> None:
        self.rows = rows
        self.entering = ranks.entering(rows)
        self.lane: dict[int, int] = {}
        self.start: dict[int, Place] = {}
        self.moves: dict[int, tuple[int, Place]] = {}
        self._ranks = ranks
        self._taken: dict[Place, int] = {}  # Place -> the box whose line is there.
        self._enter()
        for row in rows:
            self._fill(row)

    def place(self, box: int, row: int) -> Place:
        """Return the place of a box's line above the row in which it is read."""
        moved, place = self.moves.get(box, (row, self.start[box]))
        return place if moved < row else self.start[box]

    def end(self, box: int) -> Place:
        """Return the place of a box's line at the bottom of the column."""
        return self.place(box, self.rows.stop)

    def wires(self) -> list[int]:
        """Return, for each lane, how many wires it has."""
        places = [*self.start.values(), *(place for _, place in self.moves.values())]
        result = [0] * (1 + max((place.lane for place in places), default=0))
        for lane in self.lane.values():
            result += [0] * (lane + 1 - len(result))
        for lane, wire in places:
            result[lane] = max(result[lane], wire)
        return result

    def _enter(self) -> None:
        """Route lines in: the one read first straight, the others on wires."""
        if not self.entering:
            return
        following = {
            source: row
            for row in reversed(self.rows)
            for box in self._ranks.rows[row]
            for source in self._ranks.reads[box]
        }
        ordered = sorted(
            self.entering, key=lambda box: following.get(box, self.rows.stop)
        )
        for wire, box in enumerate(ordered):
            self._occupy(box, Place(0, wire))

    def _fill(self, row: int) -> None:
        ranks = self._ranks
        boxes = sorted(ranks.rows[row], key=lambda box: (-ranks.ahead[box], box))
        moving: dict[int, Place] = {}
        read = {source for box in boxes for source in ranks.reads[box]}
        used: set[int] = set()
        for box in boxes:
            self.lane[box] = lane = self._lane(box, row, used, read)
            used.add(lane)
            before = self._taken.get(Place(lane))
            if before is not None and ranks.last[before] > row:
                moving[before] = self._free_wire(lane)
                self._taken[moving[before]] = before
                self.moves[before] = (row, moving[before])
        self._taken = {
            place: box
            for place, box in self._taken.items()
            if ranks.last[box] > row and moving.get(box, place) == place
        }
        for box in boxes:
            if ranks.last[box] > row:
                self._occupy(box, Place(self.lane[box]))

    def _lane(self, box: int, row: int, used: set[int], read: set[int]) -> int:
        """Return the nearest lane whose line, if any, belongs to the same chain."""
        own = self._ranks.reads[box]
        others = read.difference(own)
        preferred = min((self.place(tensor, row).lane for tensor in own), default=0)
        return next(
            lane
            for lane in count(preferred)
            if lane not in used and self._taken.get(Place(lane)) not in others
        )

    def _free_wire(self, lane: int) -> Place:
        return next(
            place
            for wire in count(1)
            if (place := Place(lane, wire)) not in self._taken
        )

    def _occupy(self, box: int, place: Place) -> None:
        self.start[box] = place
        self._taken[place] = box
