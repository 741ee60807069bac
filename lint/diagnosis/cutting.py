"""Batches cut from arrays: at random, in order, and sorted by label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import ENOUGH_SAMPLES, Batch, Data, joined_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

_ENOUGH_BATCHES = 8  # for the differences between modes to be told from chance
_MOST_LABELS, _MOST = 20, 0.75


def cut(whole: Batch, size: int, steps: int) -> Data:
    """Cut batches in each order."""
    return Data(
        batches=cut_at_random(whole, size, steps),
        in_order=cut_in_order(whole, size, steps),
        by_label=cut_by_label(whole, size, steps),
        whole=whole,
    )


def cut_at_random(whole: Batch, size: int, steps: int) -> list[Batch]:
    """Cut random batches of one size, as `fit` shuffles.

    Few samples are shuffled and cut several times, as in the epochs of `fit`: two
    batches alone say little about how batches differ.
    """
    samples = whole.samples
    of_one_epoch = samples // size
    random = np.random.default_rng(0)
    pieces: list[Array] = []
    count = _count(samples, size, steps)
    while len(pieces) < count:
        order = random.permutation(samples)[: of_one_epoch * size]
        pieces += np.split(order, of_one_epoch)
    return [taken(whole, piece) for piece in pieces[:count]]


def cut_in_order(whole: Batch, size: int, steps: int) -> list[Batch]:
    """Cut batches in the order of the data, spread over all of them."""
    return _spread(whole, np.arange(whole.samples), size, steps)


def cut_by_label(whole: Batch, size: int, steps: int) -> list[Batch]:
    """Cut batches that mostly have one label each; none if there are no labels.

    They are for statistics, and therefore not too small.
    """
    labels = labels_of(whole)
    size = min(max(size, ENOUGH_SAMPLES), whole.samples)
    if labels is None:
        return []
    return _spread(whole, np.argsort(labels, kind="stable"), size, steps)


def cut_smaller(batches: Sequence[Batch], size: int, most: int) -> list[Batch]:
    """Cut batches into smaller ones."""
    found: list[Batch] = []
    for batch in batches:
        ends = range(size, batch.samples + 1, size)
        found += [taken(batch, np.arange(end - size, end)) for end in ends]
        if len(found) >= most:
            break
    return found[:most]


def labels_of(batch: Batch) -> Array | None:
    """Return the label of each sample, if the targets are labels of a few kinds."""
    import keras

    leaves = keras.tree.flatten(batch.y)
    if len(leaves) != 1 or not isinstance(leaves[0], np.ndarray):
        return None
    target = leaves[0]
    if target.ndim == 2 and target.shape[1] > 1:
        target = target.argmax(axis=1) if _is_one_hot(target) else target
    if target.size != len(target) or target.dtype.kind not in "fiub":
        return None
    target = target.ravel()
    return target if 1 < np.unique(target).size <= _MOST_LABELS else None


def are_of_one_label(batches: Sequence[Batch]) -> bool:
    """Whether most batches have one of two labels each, as real and generated ones."""
    labels = labels_of(joined_batches(batches)) if batches else None
    if labels is None or np.unique(labels).size != 2:
        return False
    single = [labels_of(batch) is None for batch in batches]
    return bool(np.mean(single) > _MOST)


def _is_one_hot(target: Array) -> bool:
    """Whether each row has one column that stands out, as with smoothed labels."""
    ordered = np.sort(target, axis=1)
    return bool((ordered[:, -1] > ordered[:, -2]).all() and (ordered >= 0).all())


def _count(samples: int, size: int, steps: int) -> int:
    of_one_epoch = samples // size
    return min(max(of_one_epoch, _ENOUGH_BATCHES if of_one_epoch > 1 else 1), steps)


def _spread(whole: Batch, order: Array, size: int, steps: int) -> list[Batch]:
    count = _count(whole.samples, size, steps)
    starts = np.linspace(0, whole.samples - size, count).astype(int)
    return [taken(whole, order[start : start + size]) for start in starts]


def taken(whole: Batch, index: Array) -> Batch:
    """Take the samples at these positions."""
    import keras

    def part(leaf: Any) -> Any:
        return None if leaf is None else leaf[index]

    parts = (whole.x, whole.y, whole.sample_weight)
    return Batch(*(keras.tree.map_structure(part, piece) for piece in parts))
