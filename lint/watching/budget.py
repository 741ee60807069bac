"""Frequency of looks: rarely enough to cost little, often enough to see."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Budget:
    """A schedule of looks.

    Args:
        share: the fraction of training time that all looks together may take.
        points: looks are at least a 1/`points` part of the steps apart, so that a long
            training has no more of them than can be drawn.
        every: look after each that many steps instead, whatever it takes.
        guess: the assumed time of a look, in steps, until the first one has been timed.
    """

    def __init__(
        self, share: float, points: int, every: int | None, guess: float
    ) -> None:
        self._share = share
        self._points = points
        self._every = every
        self._guess = guess
        self._begin = time.perf_counter()
        self._spent = 0.0
        self._cost: float | None = None
        self._last = 0

    def is_due(self, step: int) -> bool:
        """Whether to look after this step."""
        if self._every is not None:
            return step - self._last >= self._every
        if step - self._last < max(1, step // self._points):
            return False
        elapsed = time.perf_counter() - self._begin
        cost = self._guess * elapsed / step if self._cost is None else self._cost
        return self._spent + cost <= self._share * elapsed

    @contextmanager
    def look(self, step: int) -> Iterator[None]:
        """Measure the time spent within this context."""
        self._last = step
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._cost = time.perf_counter() - begin
            self._spent += self._cost
