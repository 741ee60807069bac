"""Notes of a fold: what its reader should know beside what was folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.folding.conditions import described
from kerasbn.graph import Layer, LayerEntry

if TYPE_CHECKING:
    from kerasbn.archive import Archive
    from kerasbn.folding.apply import FoldedModel
    from kerasbn.graph import Graph


def of_file(folded: FoldedModel, archive: Archive) -> list[str]:
    """Notes on what the file holds and the fold does not open or carry over."""
    notes = _unopened(folded.graph)
    if archive.is_keras_2:
        notes.append("translated from Keras 2, without its compilation")
        notes += folded.archive.notes
    return notes


def of_penalties(folded: FoldedModel) -> list[str]:
    """A note on the regularizers that are dropped."""
    dropped = folded.dropped_penalties
    return [f"regularizers dropped: {', '.join(dropped)}"] if dropped else []


def of_lost_weights(folded: FoldedModel) -> list[str]:
    """A note for each layer whose weights are too small for their dtype."""
    return [
        f"weights of {path} are too small for its dtype and were rounded to zero or "
        "nearly so; a wider dtype would keep them"
        for path in folded.lost()
    ]


def _unopened(graph: Graph) -> list[str]:
    """A note for each layer, such as a wrapper, that has BN inside and stays closed."""
    return [
        f"{described(layer)} is not opened: {count} BN in it "
        f"{'stays' if count == 1 else 'stay'}"
        for layer in graph.walk()
        if layer.graph is None
        and not layer.is_batch_norm
        and (count := _batch_norms(layer.config))
    ]


def _batch_norms(value: Any) -> int:
    """Count the entries of BN at any depth of a configuration."""
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str) and (
            Layer(LayerEntry(value, "")).is_batch_norm
        ):
            return 1
        value = list(value.values())
    return sum(map(_batch_norms, value)) if isinstance(value, list | tuple) else 0
