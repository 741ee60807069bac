"""The row of each box, and the breaks of a long picture into columns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerasbn.folding.picture.network import Box


@dataclass(frozen=True)
class Ranks:
    """The rows of a network; no box of a row reads another one of it.

    Attributes:
        reads: box -> the boxes that it reads.
        row: box -> its row, the length of the longest path to it from an input.
        ahead: box -> the length of the longest path from it to an output.
        last: box -> the last row in which it is read; its own row if it is never read.
        rows: row -> its boxes.
    """

    reads: tuple[tuple[int, ...], ...]
    row: list[int]
    ahead: list[int]
    last: list[int]
    rows: list[list[int]]

    @classmethod
    def of(cls, boxes: Sequence[Box]) -> Ranks:
        """Rank boxes that are listed after those that they read."""
        reads = tuple(box.reads for box in boxes)
        row = [0] * len(boxes)
        ahead = [0] * len(boxes)
        first: list[int | None] = [None] * len(boxes)
        for box, sources in enumerate(reads):
            row[box] = 1 + max((row[source] for source in sources), default=-1)
        for box in range(len(boxes) - 1, -1, -1):
            reader = first[box]
            if not reads[box] and reader is not None:
                row[box] = reader - 1  # An input stands right above its first reader.
            for source in reads[box]:
                ahead[source] = max(ahead[source], ahead[box] + 1)
                first[source] = min(first[source] or row[box], row[box])
        last = list(row)
        rows: list[list[int]] = [[] for _ in range(max(row, default=-1) + 1)]
        for box, sources in enumerate(reads):
            rows[row[box]].append(box)
            for source in sources:
                last[source] = max(last[source], row[box])
        return cls(reads, row, ahead, last, rows)

    def columns(self, count: int) -> list[range]:
        """Break the rows into about `count` columns where few lines have to cross."""
        crossing = self._crossing()
        total = len(self.rows)
        breaks = [0]
        for number in range(1, count):
            ideal = total * number // count
            slack = max(1, total // (4 * count))
            choice = range(
                max(breaks[-1] + 1, ideal - slack), min(total - 1, ideal + slack) + 1
            )
            if choice:
                # Using up the slack counts as much as a line and a half.
                costs = {r: crossing[r] + 1.5 * abs(r - ideal) / slack for r in choice}
                breaks.append(min(choice, key=costs.__getitem__))
        return [
            range(start, stop)
            for start, stop in zip(breaks, [*breaks[1:], total], strict=True)
        ]

    def entering(self, rows: range) -> list[int]:
        """Return the boxes before some rows that are read in these rows or later."""
        return [
            box
            for box, row in enumerate(self.row)
            if row < rows.start <= self.last[box]
        ]

    def _crossing(self) -> list[int]:
        """Return, for each row, how many boxes before it are read in it or later."""
        made, done = sorted(self.row), sorted(self.last)
        return [
            bisect_left(made, row) - bisect_right(done, row - 1)
            for row in range(len(self.rows))
        ]
