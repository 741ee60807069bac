"""The batches of a diagnosis, from anything that `fit` accepts as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Fewer samples give a BN layer no meaningful statistics.
_ENOUGH_SAMPLES = 16
_ENOUGH_BATCHES = 8  # for the differences between modes to be told from chance


@dataclass(frozen=True)
class Batch:
    """Inputs, targets and weights, each a nest of arrays or None."""

    x: Any
    y: Any = None
    sample_weight: Any = None

    @property
    def samples(self) -> int:
        """The number of samples."""
        import keras

        return int(keras.tree.flatten(self.x)[0].shape[0])


@dataclass(frozen=True)
class Data:
    """The data for a diagnosis.

    Attributes:
        batches: in random order if they were cut from arrays, else in the given order.
        in_order: batches cut from the arrays in order; empty for other data.
        given: the number of samples in the arrays; None for other data.
    """

    batches: list[Batch]
    in_order: list[Batch]
    given: int | None = None

    @property
    def from_arrays(self) -> bool:
        """Whether the data were given as arrays."""
        return self.given is not None

    @property
    def samples(self) -> int:
        """The number of samples in all batches, each counted once."""
        taken = sum(batch.samples for batch in self.batches)
        return taken if self.given is None else min(taken, self.given)

    @property
    def batch_size(self) -> int:
        """The number of samples in most batches."""
        return self.batches[0].samples

    @property
    def has_targets(self) -> bool:
        """Whether there are targets to compare outputs with."""
        return self.batches[0].y is not None

    def first(self, count: int) -> Data:
        """Return only the first batches."""
        return replace(
            self, batches=self.batches[:count], in_order=self.in_order[:count]
        )

    def merged(self) -> list[Batch]:
        """Return the batches, with those that are too small for statistics joined."""
        count = -(-_ENOUGH_SAMPLES // self.batch_size)
        if count == 1 or len(self.batches) == 1:
            return self.batches
        groups = [
            self.batches[i : i + count] for i in range(0, len(self.batches), count)
        ]
        if len(groups) > 1 and len(groups[-1]) < count:
            groups[-2:] = [groups[-2] + groups[-1]]
        return [_joined(group) for group in groups]


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
        UsageError: if the data are of another kind, do not fit together, or have fewer
            than two samples.
    """
    _check_positive("steps", steps)
    if batch_size is not None:
        _check_positive("batch_size", batch_size)
    whole = _as_batch(x, y, sample_weight) if _is_arrays(x) else None
    if whole is not None:
        batches, in_order = _cut(whole, batch_size or 32, steps)
    else:
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise UsageError(
                    f"`{name}` is only for arrays; batches contain their own. "
                    f"Received: {name}=... with x of type {type(x).__name__}. Leave it "
                    "out, or give both as NumPy arrays."
                )
        batches, in_order = _of_one_size(list(islice(_yielded(x), steps))), []
    data = Data(batches, in_order, None if whole is None else whole.samples)
    if not batches or data.samples < 2:
        raise UsageError(
            "A diagnosis needs at least two samples, preferably some hundred. "
            f"Received: {data.samples if batches else 'no batch'}."
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


def _cut(whole: Batch, size: int, steps: int) -> tuple[list[Batch], list[Batch]]:
    """Cut random batches, as `fit` shuffles, and batches in order, all of one size.

    Few samples are shuffled and cut several times, as in the epochs of `fit`: two
    batches alone say little about how batches differ.
    """
    samples = whole.samples
    size = min(size, samples)
    of_one_epoch = samples // size if size else 0
    count = min(max(of_one_epoch, _ENOUGH_BATCHES if of_one_epoch > 1 else 1), steps)
    if not of_one_epoch:
        return [], []
    random = np.random.default_rng(0)
    pieces: list[NDArray[Any]] = []
    while len(pieces) < count:
        order = random.permutation(samples)[: of_one_epoch * size]
        pieces += np.split(order, of_one_epoch)
    # The batches in order are spread over all data.
    spread = np.linspace(0, samples - size, count).astype(int)
    return (
        [_taken(whole, piece) for piece in pieces[:count]],
        [_taken(whole, np.arange(start, start + size)) for start in spread],
    )


def _taken(whole: Batch, index: NDArray[Any]) -> Batch:
    import keras

    def part(leaf: Any) -> Any:
        return None if leaf is None else leaf[index]

    parts = (whole.x, whole.y, whole.sample_weight)
    return Batch(*(keras.tree.map_structure(part, piece) for piece in parts))


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


def _joined(batches: list[Batch]) -> Batch:
    import keras

    columns = zip(*((b.x, b.y, b.sample_weight) for b in batches), strict=True)
    return Batch(*(keras.tree.map_structure(joined, *column) for column in columns))


def joined(*leaves: Any) -> Any:
    """Concatenate the leaves of several batches; keep None."""
    return None if leaves[0] is None else np.concatenate(leaves)


def _check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}."
        )
