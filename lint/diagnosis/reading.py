"""The reading of batches from anything that `fit` accepts as data."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from .batches import Batch, Data
from .cutting import cut

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_data(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int
) -> Data:
    """Read batches from arrays, or from an iterable of batches.

    Args:
        x: anything that `fit` accepts: an array, a nest of arrays, or a
            `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader` or
            another iterable of `x`, `(x, y)` or `(x, y, sample_weight)`.
        y: targets, with arrays only.
        sample_weight: likewise.
        batch_size: the size of batches from arrays; 32 if None.
        steps: the largest number of batches to take.

    Raises:
        UsageError: if the data are of another kind or do not fit together, or if there
            are none.
    """
    _check_positive("steps", steps)
    if batch_size is not None:
        _check_positive("batch_size", batch_size)
    if _is_arrays(x):
        whole = _as_batch(x, y, sample_weight)
        size = min(batch_size or 32, whole.samples)
        data = cut(whole, size, steps) if size else Data([])
    else:
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise UsageError(
                    f"`{name}` is only for arrays; batches contain their own. "
                    f"Received: {name}=... with x of type {type(x).__name__}. Leave it "
                    "out, or give both as NumPy arrays."
                )
        data = Data(_of_one_size(list(islice(_yielded(x), steps))))
    if not data.batches or not data.samples:
        raise UsageError(
            "A diagnosis needs samples, preferably some hundred. Received: "
            + ("batches of none." if data.batches else "no batch.")
        )
    return data


def _is_arrays(x: Any) -> bool:
    import keras

    if isinstance(x, list) and x and all(isinstance(part, tuple) for part in x):
        return False  # Batches, not inputs.
    leaves = [leaf for leaf in keras.tree.flatten(x) if leaf is not None]
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def _as_batch(x: Any, y: Any, sample_weight: Any) -> Batch:
    """Return everything as one batch of NumPy arrays.

    Raises:
        UsageError: if the numbers of samples differ.
    """
    import keras

    parts = [keras.tree.map_structure(_on_host, nest) for nest in (x, y, sample_weight)]
    leaves = [leaf for leaf in keras.tree.flatten(parts) if leaf is not None]
    if any(not leaf.shape for leaf in leaves):
        raise UsageError(
            "The data need a first axis for samples. Received: a single number."
        )
    sizes = sorted({leaf.shape[0] for leaf in leaves})
    if len(sizes) > 1:
        raise UsageError(
            "x, y and sample_weight must have the same number of samples. Received: "
            f"arrays of {' and '.join(map(str, sizes))} samples."
        )
    return Batch(*parts)


def _on_host(leaf: Any) -> Any:
    """Convert a tensor or table to a NumPy array; keep None."""
    if leaf is None or isinstance(leaf, np.ndarray):
        return leaf
    if hasattr(leaf, "detach"):  # a PyTorch tensor, perhaps on a device
        leaf = leaf.detach().cpu()
    try:
        return np.asarray(leaf)
    except Exception:  # Ragged and sparse tensors cannot be converted.
        return leaf


def _yielded(data: Any) -> Iterator[Batch]:
    import keras

    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        data = map(data.__getitem__, range(10**9 if count is None else count))
    try:
        batches = iter(data)
    except TypeError:
        raise UsageError(
            "The data must be arrays, or yield batches, like a tf.data.Dataset, a "
            "keras.utils.PyDataset, a generator or a torch DataLoader. Received: x of "
            f"type {type(data).__name__}."
        ) from None
    for batch in batches:
        yield _as_batch(*keras.utils.unpack_x_y_sample_weight(batch))


def _of_one_size(batches: list[Batch]) -> list[Batch]:
    """Drop a smaller last batch, which would weigh as much as the others."""
    if len(batches) > 1 and batches[-1].samples < batches[0].samples:
        return batches[:-1]
    return batches


def _check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}."
        )
