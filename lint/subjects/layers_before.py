"""The layers whose output batch normalization reads, in the graph of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .linear import axis_from_end, channel_axis, is_linear, spatial_axes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerasbn.graph import Graph, Layer, Node

    from .model import Model


@dataclass(frozen=True)
class Before:
    """A BN layer and the Keras layer whose output it reads.

    Attributes:
        batch_norm: the BN layer.
        layer: the layer before it.
        kind: that layer's class.
        alone: whether each of the two is called once, and nothing else reads the value
            between them.
        on_channels: whether BN keeps just the axis of the layer's channels; None if
            that is not known.
    """

    batch_norm: Layer
    layer: Layer
    kind: str
    alone: bool
    on_channels: bool | None

    @property
    def is_linear(self) -> bool:
        """Whether the layer before only multiplies and adds."""
        activation = self.layer.config.get("activation")
        return is_linear(self.kind) and activation in (None, "linear")


def layers_before(model: Model) -> Iterator[Before]:
    """Yield every such pair, at any depth, each BN layer once."""
    if model.graph is None:
        return
    for graph in model.graph.graphs():
        seen = set()
        for node in graph.nodes:
            if node.layer.is_batch_norm and node.layer.path not in seen:
                seen.add(node.layer.path)
                found = _before(graph, node)
                if found is not None:
                    yield found


def _before(graph: Graph, node: Node) -> Before | None:
    producer = graph.producer(node.inputs[0]) if len(node.inputs) == 1 else None
    kind = None if producer is None else producer.layer.kind
    if producer is None or kind is None:
        return None
    between = node.inputs[0]
    alone = (
        len(graph.consumers[between]) == 1
        and between not in graph.outputs
        and len(graph.calls(node.layer)) == len(graph.calls(producer.layer)) == 1
        and producer.layer.name not in graph.held_inside
    )
    return Before(
        node.layer, producer.layer, kind, alone, _on_channels(node, producer, kind)
    )


def _on_channels(node: Node, producer: Node, kind: str) -> bool | None:
    spatial = spatial_axes(kind)
    rank = None if node.input_shape is None else len(node.input_shape)
    if spatial is not None:
        rank = spatial + 2
    axis = axis_from_end(node.layer.config, rank)
    return None if axis is None else axis == channel_axis(kind, producer.layer.config)
