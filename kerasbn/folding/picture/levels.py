"""The levels between two rows on which lines run across."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class _Stretch:
    """The part of a level taken up by a line, or by several lines to one box."""

    left: float
    right: float
    goal: float | None  # The common end; None if there are several.


@dataclass
class _Level:
    stretches: list[_Stretch] = field(default_factory=list)
    goals: set[float] = field(default_factory=set)


class Levels:
    """The levels between two rows, counted from below.

    Lines share a level where they do not meet, or lead to the same box.
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    @property
    def used(self) -> int:
        """The number of levels."""
        return len(self._levels)

    def add(self, start: float, ends: Sequence[float]) -> int:
        """Return the level of another line, which may run to several ends.

        It leaves its start above any level on which another line arrives there.
        """
        left, right = min(start, *ends), max(start, *ends)
        goals = set(ends)
        goal = ends[0] if len(goals) == 1 else None
        least = max(
            (
                number + 1
                for number, level in enumerate(self._levels)
                if start in level.goals
            ),
            default=0,
        )
        for number in range(least, len(self._levels)):
            if self._fits(self._levels[number], left, right, goal):
                break
        else:
            number = len(self._levels)
            self._levels.append(_Level())
        self._put(self._levels[number], _Stretch(left, right, goal))
        self._levels[number].goals |= goals
        return number

    def _fits(
        self, level: _Level, left: float, right: float, goal: float | None
    ) -> bool:
        return all(
            (goal is not None and goal == other.goal)
            or right < other.left
            or other.right < left
            for other in level.stretches
        )

    def _put(self, level: _Level, new: _Stretch) -> None:
        for other in level.stretches:
            if new.goal is not None and new.goal == other.goal:
                other.left = min(other.left, new.left)
                other.right = max(other.right, new.right)
                return
        level.stretches.append(new)
