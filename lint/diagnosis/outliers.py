"""Samples of the given data that lie far out of the range of all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Outliers, joined_batches
from .cutting import cut, taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .batches import Batch, Data

    Array = NDArray[Any]

_FAR = 6.0  # times as far out as nearly all others
_RARE = 0.01  # of the samples
_FEWEST = 32  # samples, for a range to be known
_MOST_TRIED = 4
_ENOUGH = 1024  # samples at a time, for large data


def without_outliers(data: Data) -> Data | None:
    """Leave out the few samples that lie far out; None if there are none.

    Of data that are given as batches, the batches with such samples are left out.
    """
    whole = data.whole or joined_batches(data.batches)
    far = _times_farther(whole)
    index = np.flatnonzero(far > _FAR)
    if not index.size or index.size > max(1, _RARE * far.size):
        return None
    others = np.delete(np.arange(far.size), index)[: data.batch_size - 1]
    farthest = index[np.argsort(-far[index])][:_MOST_TRIED]
    batches = [taken(whole, np.append(others, one)) for one in farthest]
    times = float(far.max())
    if data.whole is not None:
        kept = taken(whole, np.delete(np.arange(far.size), index))
        found = Outliers(tuple(map(int, index)), "samples", times, batches)
        clean = cut(kept, min(data.batch_size, kept.samples), len(data.batches))
        return replace(clean, outliers=found)
    ends = np.cumsum([batch.samples for batch in data.batches])
    bad = sorted({int(np.searchsorted(ends, each, "right")) for each in index})
    if len(bad) > len(data.batches) // 2:
        return None
    good = [batch for i, batch in enumerate(data.batches) if i not in bad]
    found = Outliers(tuple(bad), "batches", times, batches)
    return replace(data, batches=good, outliers=found)


def _times_farther(whole: Batch) -> Array:
    """Return how many times as far out each sample is as nearly all others.

    That is so in any feature of any input; those without a range, such as flags that
    are hardly ever set, say nothing.
    """
    import keras

    far = np.zeros(whole.samples)
    if whole.samples < _FEWEST:
        return far
    for leaf in keras.tree.flatten(whole.x):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f":
            far = np.maximum(far, _of_input(leaf))
    return far


def _of_input(values: Array) -> Array:
    """Return the same for one input, whose last axis has features."""
    samples = len(values)
    centre = np.median(values[:_ENOUGH], axis=0 if values.ndim < 3 else None)
    features = values.shape[-1] if values.ndim > 1 else 1
    with np.errstate(all="ignore"):
        parts = [
            np.abs(values[start : start + _ENOUGH] - centre)
            .reshape(-1, values[0].size // features, features)
            .max(axis=1)
            for start in range(0, samples, _ENOUGH)
        ]
        away = np.concatenate(parts)
        last = samples - 1 - max(1, int(_RARE * samples))
        usual = np.partition(away, last, axis=0)[last]
        if values.ndim > 2:  # Pixels that are always black are as others are.
            usual = np.maximum(usual, np.median(usual))
        times = np.where(usual > 0, away / usual, 0.0)
    return np.asarray(np.nan_to_num(times, posinf=0.0).max(axis=1))
