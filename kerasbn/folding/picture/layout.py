"""The coordinates of boxes and lines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kerasbn.folding.picture.lanes import Lanes, Place
from kerasbn.folding.picture.levels import Levels
from kerasbn.folding.picture.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kerasbn.folding.picture.network import Box

BOX_HEIGHT = 20

# Distances: between boxes in a lane, between lanes, between lines, around columns.
_GAP, _LANE_GAP, _LINE, _TURN, _GUTTER = 7, 14, 5, 6, 22
_SHAPE = 1.5  # The approximate ratio of a picture's width to its height.

Line = list[tuple[float, float]]


class Layout(NamedTuple):
    """The coordinates of everything.

    Attributes:
        width: the overall width.
        height: the overall height.
        boxes: the upper left corner of each box.
        lines: the corners of each line; it runs only across and down, or up again
            between two columns.
    """

    width: float
    height: float
    boxes: list[tuple[float, float]]
    lines: list[Line]


def lay_out(boxes: Sequence[Box], box_width: int) -> Layout:
    """Lay out boxes in rows, and the rows in columns, from left to right."""
    if not boxes:
        return Layout(0, 0, [], [])
    ranks = Ranks.of(boxes)
    whole = _Column(ranks, range(len(ranks.rows)), box_width)
    count = max(1, round(math.sqrt(_SHAPE * whole.height / whole.width)))
    columns = [_Column(ranks, rows, box_width) for rows in ranks.columns(count)]
    top = _LINE * max(len(column.lanes.entering) for column in columns)
    places = [(0.0, 0.0)] * len(boxes)
    lines: list[Line] = []
    left = 0.0
    for number, column in enumerate(columns):
        for box, (x, y) in column.boxes():
            places[box] = (left + x, top + y)
        lines += [[(left + x, top + y) for x, y in line] for line in column.lines()]
        right = left + column.width
        if number + 1 < len(columns):
            following = columns[number + 1]
            passing = _LINE * len(following.lanes.entering)
            left = right + 2 * _GUTTER + passing
            lines += _joining(column, following, right, left, top)
    bottom = max(column.height + _LINE * len(column.leaving) for column in columns)
    return Layout(right, top + bottom, places, lines)


@dataclass
class _Column:
    """A column, with its upper left corner at the origin.

    Attributes:
        ranks: the rows of the network.
        span: the rows that stand here.
        box_width: the width of every box.
        lanes: the arrangement in lanes.
        leaving: the boxes whose lines go on in the next column.
    """

    ranks: Ranks
    span: range
    box_width: int
    lanes: Lanes = field(init=False)
    leaving: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.lanes = Lanes(self.ranks, self.span)
        self.leaving = self.ranks.entering(range(self.span.stop, len(self.ranks.rows)))
        self._left: list[float] = []
        self.width = 0.0
        for wires in self.lanes.wires():
            self._left.append(self.width)
            self.width += self.box_width + _LINE * wires + _LANE_GAP
        self.width -= _LANE_GAP
        self._turns = self._all_turns()
        self._level: dict[tuple[int, int], float] = {}
        self._above: dict[int, float] = {}
        self._top: dict[int, float] = {}
        self.height = 0.0
        for row in self.span:
            self._stack(row)
        self.height += _GAP

    def x(self, place: Place) -> float:
        """Return the horizontal position of a line in a place."""
        lane, wire = place
        if not wire:
            return self._left[lane] + self.box_width / 2
        return self._left[lane] + self.box_width + _LINE * wire

    def boxes(self) -> Iterator[tuple[int, tuple[float, float]]]:
        """Yield each box with its upper left corner."""
        for box, lane in self.lanes.lane.items():
            yield box, (self._left[lane], self._top[self.ranks.row[box]])

    def lines(self) -> Iterator[Line]:
        """Yield the lines of each box within this column."""
        ends: dict[int, float] = {}  # Box -> how far down its line runs.
        for row in self.span:
            above, below = self._above[row], self._top[row]
            for reader in self.ranks.rows[row]:
                end = self.x(Place(self.lanes.lane[reader]))
                for box in self.ranks.reads[reader]:
                    ends[box] = above
                    start = self.x(self.lanes.place(box, row))
                    if start == end:
                        yield [(end, above), (end, below)]
                    else:
                        level = self._level[row, box]
                        yield [
                            *((start, above), (start, level)),
                            *((end, level), (end, below)),
                        ]
        ends.update(dict.fromkeys(self.leaving, self.height))
        for box, bottom in ends.items():
            yield from self._trunk(box, bottom)

    def _trunk(self, box: int, bottom: float) -> Iterator[Line]:
        """Draw the line from a box to where its last reader's branches off."""
        start = self.x(self.lanes.start[box])
        row = self.ranks.row[box]
        top = self._top[row] + BOX_HEIGHT if row in self.span else 0.0
        if box in self.lanes.moves:
            row, place = self.lanes.moves[box]
            level, end = self._level[row, box], self.x(place)
            yield [(start, top), (start, level), (end, level), (end, bottom)]
        elif top != bottom:
            yield [(start, top), (start, bottom)]

    def _all_turns(self) -> dict[int, dict[int, list[float]]]:
        """Return row -> box -> the positions to which its line turns above the row."""
        turns: dict[int, dict[int, list[float]]] = {row: {} for row in self.span}
        for row in self.span:
            for reader in self.ranks.rows[row]:
                end = self.x(Place(self.lanes.lane[reader]))
                for box in self.ranks.reads[reader]:
                    if end != self.x(self.lanes.place(box, row)):
                        turns[row].setdefault(box, []).append(end)
        for box, (row, place) in self.lanes.moves.items():
            turns[row].setdefault(box, []).append(self.x(place))
        return turns

    def _stack(self, row: int) -> None:
        """Place a row below the others, with enough room above it for its lines."""
        levels = Levels()
        numbers = {
            box: levels.add(self.x(self.lanes.place(box, row)), ends)
            for box, ends in self._turns[row].items()
        }
        room = 2 * _TURN + _LINE * (levels.used - 1) if levels.used else _GAP
        self._above[row] = self.height
        self._top[row] = self.height + room
        for box, number in numbers.items():
            self._level[row, box] = self._top[row] - _TURN - _LINE * number
        self.height += room + BOX_HEIGHT


def _joining(
    column: _Column, following: _Column, right: float, left: float, top: float
) -> Iterator[Line]:
    """Draw the lines from the bottom of a column to the top of the next."""
    own = right - column.width
    starts = {box: own + column.x(column.lanes.end(box)) for box in column.leaving}
    # From right to left, so that they do not cross.
    ordered = sorted(column.leaving, key=lambda box: -starts[box])
    for number, box in enumerate(ordered):
        start, end = starts[box], left + following.x(following.lanes.start[box])
        low = top + column.height + _LINE * number
        high = top - _LINE * (len(ordered) - number)
        between = right + _GUTTER + _LINE * number
        yield [
            (start, low - 1),
            (start, low),
            (between, low),
            (between, high),
            (end, high),
            (end, top),
        ]
