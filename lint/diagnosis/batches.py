"""The batches of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

# Fewer samples give a BN layer no meaningful statistics.
ENOUGH_SAMPLES = 16


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
class Outliers:
    """What was left out of the data, as it lies far out of the range of the rest.

    Attributes:
        positions: its positions in the given data.
        are_batches: whether these are positions of batches, and not of samples.
        times: how many times as far out the farthest sample is as nearly all others.
        batches: for each of the farthest samples, a batch of it and usual ones.
    """

    positions: tuple[int, ...]
    are_batches: bool
    times: float
    batches: list[Batch]


@dataclass(frozen=True)
class Data:
    """The data for a diagnosis.

    Attributes:
        batches: in random order if they were cut from arrays, else in the given order.
        in_order: batches cut from the arrays in order; empty for other data.
        by_label: batches cut from the arrays sorted by label, for statistics alone;
            empty for other data and without labels.
        whole: the arrays; None for other data.
        outliers: what was left out of the given data; None if nothing was.
    """

    batches: list[Batch]
    in_order: list[Batch] = field(default_factory=list)
    by_label: list[Batch] = field(default_factory=list)
    whole: Batch | None = None
    outliers: Outliers | None = None

    @property
    def from_arrays(self) -> bool:
        """Whether the data were given as arrays."""
        return self.whole is not None

    @property
    def given(self) -> int | None:
        """The number of samples in the arrays; None for other data."""
        return None if self.whole is None else self.whole.samples

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
            self,
            batches=self.batches[:count],
            in_order=self.in_order[:count],
            by_label=self.by_label[:count],
        )

    def merged(self) -> list[Batch]:
        """Return the batches, with those that are too small for statistics joined."""
        count = -(-ENOUGH_SAMPLES // self.batch_size)
        if count == 1 or len(self.batches) == 1:
            return self.batches
        groups = [
            self.batches[i : i + count] for i in range(0, len(self.batches), count)
        ]
        if len(groups) > 1 and len(groups[-1]) < count:
            groups[-2:] = [groups[-2] + groups[-1]]
        return [joined_batches(group) for group in groups]


def joined_batches(batches: Sequence[Batch]) -> Batch:
    """Concatenate batches."""
    import keras

    columns = zip(*((b.x, b.y, b.sample_weight) for b in batches), strict=True)
    return Batch(*(keras.tree.map_structure(joined, *column) for column in columns))


def joined(*leaves: Any) -> Any:
    """Concatenate the leaves of several batches; keep None."""
    return None if leaves[0] is None else np.concatenate(leaves)
