"""The inputs of a model, batch by batch, from whatever `fit` takes as data."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops, tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def input_batches(
    data: Any, batch_size: int, steps: int | None
) -> tuple[Iterator[Any], int | None]:
    """Return the batches of inputs in the data and their number, `None` if unknown.

    Args:
        data: Arrays, or anything that yields batches, see `recalibrate`.
        batch_size: The size of batches made of arrays.
        steps: At most this many batches.

    Raises:
        TypeError: If the data are neither.
        ValueError: If they never end and `steps` is not given, or if arrays differ
            in their number of samples.
    """
    batches, number = _slices(data, batch_size) if _is_arrays(data) else _yielded(data)
    if number is None and steps is None and _is_endless(data):
        raise ValueError(
            "The data never end: say in `steps` how many batches to take. "
            f"Received: data of type {type(data).__name__}, steps=None"
        )
    if steps is not None:
        number = steps if number is None else min(steps, number)
        batches = itertools.islice(batches, steps)
    return map(_inputs, batches), number


def _is_arrays(data: Any) -> bool:
    leaves = [leaf for leaf in tree.flatten(data) if leaf is not None]
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def _slices(data: Any, batch_size: int) -> tuple[Iterator[Any], int]:
    sizes = {leaf.shape[0] for leaf in tree.flatten(data) if leaf is not None}
    if len(sizes) > 1:
        raise ValueError(
            "The arrays must have the same number of samples. "
            f"Received: arrays of {sorted(sizes)} samples"
        )
    starts = range(0, sizes.pop(), batch_size)

    def batch(start: int) -> Any:
        def part(array: Any) -> Any:
            return None if array is None else array[start : start + batch_size]

        # As `x` alone: several inputs must not be mistaken for `(x, y)`.
        return (tree.map_structure(part, data),)

    return map(batch, starts), len(starts)


def _yielded(data: Any) -> tuple[Iterator[Any], int | None]:
    if isinstance(data, keras.utils.PyDataset):
        number = data.num_batches
        indices: Iterable[int] = itertools.count() if number is None else range(number)
        return (data[index] for index in indices), number
    try:
        return iter(data), _length(data)
    except TypeError:
        raise TypeError(
            "The data must be arrays, or yield batches as a tf.data.Dataset, a "
            "keras.utils.PyDataset, a generator or a torch DataLoader does. "
            f"Received: data of type {type(data).__name__}"
        ) from None


def _length(data: Any) -> int | None:
    """The number of batches if the data know it; many raise where they do not."""
    try:
        return len(data)
    except TypeError:
        return None


def _is_endless(data: Any) -> bool:
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    # TensorFlow's own number for an infinite dataset is -1.
    return hasattr(data, "cardinality") and int(data.cardinality()) == -1


def _inputs(batch: Any) -> Any:
    """The inputs in a batch of `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
    x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return tree.map_structure(_for_this_backend, x)


def _for_this_backend(leaf: Any) -> Any:
    """The tensors of other frameworks as NumPy arrays."""
    if ops.is_tensor(leaf) or not hasattr(leaf, "__array__"):
        return leaf
    if hasattr(leaf, "detach"):  # PyTorch's, maybe on a device
        leaf = leaf.detach().cpu()
    return np.asarray(leaf)
