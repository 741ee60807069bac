"""Dropout on the outputs of a model, in its graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .linear import DROPOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerasbn.graph import Graph, Layer, Tensor

    from .model import Model

PASSING = frozenset(
    {
        *("Activation", "ReLU", "LeakyReLU", "Softmax", "Reshape", "Flatten"),
        *("Permute", "Rescaling"),
    }
)
"""Layers that learn nothing and do not mix samples, between dropout and an output."""


def dropped_outputs(model: Model) -> Iterator[Layer]:
    """Yield each dropout layer of a trained model after which nothing learns."""
    if model.graph is None or not model.iterations:
        return
    seen = set()
    for output in model.graph.outputs:
        layer = _dropout_before(model.graph, output)
        if layer is not None and layer.path not in seen:
            seen.add(layer.path)
            yield layer


def _dropout_before(graph: Graph, tensor: Tensor) -> Layer | None:
    """The dropout that a tensor comes from, by layers that only pass it on."""
    node = graph.producer(tensor)
    while node is not None and node.layer.kind in PASSING and len(node.inputs) == 1:
        node = graph.producer(node.inputs[0])
    if node is None or node.layer.kind not in DROPOUT:
        return None
    rate = node.layer.config.get("rate")
    return node.layer if isinstance(rate, int | float) and 0 < rate < 1 else None
