"""BN inside layers that are not opened, such as wrappers: kept, and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.folding.conditions import described
from kerasbn.graph import Layer, LayerEntry

if TYPE_CHECKING:
    from kerasbn.graph import Graph


def notes_on_unopened(graph: Graph) -> list[str]:
    """A sentence for each layer that lists BN in its configuration and stays closed."""
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
