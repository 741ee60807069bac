"""Times of functions on a noisy machine: in turn, as medians of ratios."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class Comparison(NamedTuple):
    """Milliseconds of both, how many times as fast ours is, and those of others."""

    stock: float
    ours: float
    ratio: float
    low: float  # The quartiles of the ratio.
    high: float
    others: tuple[float, ...]
    # For each of the others, how many times as fast ours is, and the quartiles.
    other_ratios: tuple[tuple[float, float, float], ...]


def compare(
    stock: Callable[[], object],
    ours: Callable[[], object],
    *others: Callable[[], object],
    seconds: float = 2.0,
    most: int = 200,
) -> Comparison:
    """Call all in rounds for about `seconds`; each call must wait for its work.

    Noise lasts longer than a call, so it meets both of a pair: the ratio of a pair is
    far steadier than either time. The order is another in each round, for a function
    that comes after itself finds its memory still in the caches: in a fixed order,
    stock was 3 % faster than itself.
    """
    functions = (stock, ours, *others)
    for _ in range(3):
        for function in functions:
            function()
    rng = np.random.default_rng(0)
    rounds = []
    end = time.perf_counter() + seconds
    while len(rounds) < 8 or (time.perf_counter() < end and len(rounds) < most):
        times = np.empty(len(functions))
        for i in rng.permutation(len(functions)):
            times[i] = _timed(functions[i])
        rounds.append(times)
    times = np.array(rounds) * 1e3
    a, b, *rest = np.median(times, 0).tolist()
    ratios = [_quartiles(column / times[:, 1]) for column in times.T]
    return Comparison(a, b, *ratios[0], tuple(rest), tuple(ratios[2:]))


def _quartiles(ratios: np.ndarray) -> tuple[float, float, float]:
    """The median first."""
    low, ratio, high = np.percentile(ratios, [25, 50, 75]).tolist()
    return ratio, low, high


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
