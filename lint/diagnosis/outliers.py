"""Samples of the given data that lie far out of the range of all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Outliers
from .cutting import cut, taken

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    if data.whole is None:
        return _without_batches(data)
    whole = data.whole
    far, index = _far_out([whole])
    if not index.size:
        return None
    usual = np.delete(np.arange(whole.samples), index)
    farthest = index[np.argsort(-far[index])][:_MOST_TRIED]
    others = usual[: data.batch_size - 1]
    kept = taken(whole, usual)
    clean = cut(kept, min(data.batch_size, kept.samples), len(data.batches))
    batches = [taken(whole, np.append(others, one)) for one in farthest]
    positions = tuple(map(int, index))
    return replace(
        clean, outliers=Outliers(positions, False, float(far.max()), batches)
    )


def _without_batches(data: Data) -> Data | None:
    far, index = _far_out(data.batches)
    ends = np.cumsum([batch.samples for batch in data.batches])
    bad = sorted({int(each) for each in np.searchsorted(ends, index, "right")})
    if not bad or len(bad) > len(data.batches) // 2:
        return None
    good = [batch for i, batch in enumerate(data.batches) if i not in bad]
    batches = [data.batches[i] for i in bad[:_MOST_TRIED]]
    return replace(
        data,
        batches=good,
        outliers=Outliers(tuple(bad), True, float(far.max()), batches),
    )


def _far_out(batches: Sequence[Batch]) -> tuple[Array, Array]:
    """Return how many times as far out each sample is as nearly all others, and which.

    That is so in any feature of any input; those without a range, such as flags that
    are hardly ever set, say nothing.
    """
    import keras

    samples = sum(batch.samples for batch in batches)
    far = np.zeros(samples)
    if samples >= _FEWEST:
        inputs = zip(*(keras.tree.flatten(batch.x) for batch in batches), strict=True)
        for leaves in inputs:
            if all(map(_has_numbers, leaves)) and _are_alike(leaves):
                far = np.maximum(far, _times_farther(leaves))
    index = np.flatnonzero(far > _FAR)
    is_rare = index.size <= max(1, _RARE * samples)
    return far, index if is_rare else index[:0]


def _has_numbers(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and leaf.size > 0


def _are_alike(leaves: Sequence[Array]) -> bool:
    """Whether samples have the same features in all batches, of as many positions."""
    return (
        len({leaf.shape[-1] if leaf.ndim > 2 else leaf.shape[1:] for leaf in leaves})
        == 1
    )


def _times_farther(leaves: Sequence[Array]) -> Array:
    """Return the same for one input, given in batches, whose last axis has features."""
    first = leaves[0][:_ENOUGH]
    has_positions = first.ndim > 2
    features = first.shape[-1] if first.ndim > 1 else 1
    with np.errstate(all="ignore"):
        centre = np.median(first, axis=None if has_positions else 0)
        away = np.concatenate(
            [
                np.abs(part - centre).reshape(len(part), -1, features).max(axis=1)
                for leaf in leaves
                for part in np.array_split(leaf, -(-len(leaf) // _ENOUGH))
            ]
        )
        last = len(away) - 1 - max(1, int(_RARE * len(away)))
        usual = np.partition(away, last, axis=0)[last]
        if has_positions:  # Pixels that are always black vary as others do.
            usual = np.maximum(usual, np.median(usual))
        times = np.where(usual > 0, away / usual, 0.0)
    return np.asarray(np.nan_to_num(times, posinf=0.0).max(axis=1))
