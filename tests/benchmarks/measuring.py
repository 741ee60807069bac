"""Times of two functions on a noisy machine: in turn, as medians of ratios."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class Comparison(NamedTuple):
    """Milliseconds of both, and how many times as fast ours is."""

    stock: float
    ours: float
    ratio: float
    low: float  # The quartiles of the ratio.
    high: float


def compare(
    stock: Callable[[], object],
    ours: Callable[[], object],
    seconds: float = 2.0,
    most: int = 200,
) -> Comparison:
    """Call both in turn, ABBA, for about `seconds`; each call must wait for its work.

    Noise lasts longer than a call, so it meets both of a pair: the ratio of a pair is
    far steadier than either time.
    """
    for _ in range(3):
        stock()
        ours()
    pairs = []
    end = time.perf_counter() + seconds
    while len(pairs) < 8 or (time.perf_counter() < end and len(pairs) < most):
        a, b, c, d = _timed(stock), _timed(ours), _timed(ours), _timed(stock)
        pairs += [(a, b), (d, c)]
    times = np.array(pairs) * 1e3
    low, ratio, high = np.percentile(times[:, 0] / times[:, 1], [25, 50, 75])
    return Comparison(*map(float, (*np.median(times, 0), ratio, low, high)))


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
