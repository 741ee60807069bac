"""The size of a model, before and after."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from kerasbn.folding.apply import FoldedModel


class ModelSize(NamedTuple):
    """The size of a model.

    Attributes:
        layers: the number of layers; a nested model counts as the layers inside it.
        parameters: the number of parameters, as in `model.count_params()`.
        file_bytes: the size of its file, including the optimizer's state if that is in
            the file; None if there is no file.
    """

    layers: int
    parameters: int
    file_bytes: int | None

    def texts(self) -> tuple[str, str, str]:
        """The three numbers as texts: `157`, `3,538,984`, `14.4 MB`."""
        size = "-" if self.file_bytes is None else _bytes(self.file_bytes)
        return f"{self.layers:,}", f"{self.parameters:,}", size


def size_before(folded: FoldedModel) -> ModelSize:
    """The size of the original."""
    archive = folded.archive
    return ModelSize(
        _layers(folded),
        archive.parameters(),
        archive.file_bytes,
    )


def size_after(folded: FoldedModel, written: Path | None) -> ModelSize:
    """The size of the folded model.

    Args:
        folded: the folded model.
        written: its file or folder; None if it was not written.
    """
    before = _layers(folded)
    layers = before - len(folded.plan.gone) + len(folded.identities)
    parameters = folded.archive.parameters() + _gained_parameters(folded)
    file_bytes = None if written is None else _size(written)
    return ModelSize(layers, parameters, file_bytes)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _layers(folded: FoldedModel) -> int:
    return sum(layer.graph is None for layer in folded.graph.walk())


def _gained_parameters(folded: FoldedModel) -> int:
    """Return how many parameters folding adds; negative, most of the time."""
    weights = folded.exact
    gained = sum(
        math.prod(values.shape) for arrays in weights.values() for values in arrays
    )
    for path in {*weights, *folded.plan.gone}:
        gained -= sum(stored.size for stored in folded.archive.variables(path))
    return gained


def _bytes(number: int) -> str:
    """Format a number of bytes as most file managers do."""
    if number < 1_000_000:
        return f"{number / 1_000:.1f} kB"
    return f"{number / 1_000_000:,.1f} MB"
