"""Frozen networks that judge what a model makes, such as a discriminator in a GAN.

Their statistics are those of their own training, of real and generated samples, say.
That what they are given differs is what they are there to see: neither is it a fault,
nor would other statistics mend anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.live import LiveModel, has_graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kerasbn.graph import Graph, Node


def networks_apart(model: Any) -> tuple[str, ...]:
    """Return the paths of the networks in a model that judge what it makes.

    They are models in its graph with batch normalization, without a weight that is
    trained, that read what trained layers make, and behind which nothing is trained.
    """
    if not (has_graph(model) and model.trainable_variables):
        return ()
    candidates = [
        layer for layer in model.layers if _is_frozen(layer) and _has_statistics(layer)
    ]
    if not candidates:
        return ()
    graph = LiveModel(model, open_blocks=False).graph
    trained = {layer.name for layer in model.layers if layer.trainable_variables}
    return tuple(
        layer.name
        for layer in candidates
        if trained & _names(_before(graph, layer.name))
        and not trained & _names(_behind(graph, layer.name))
    )


def _is_frozen(layer: Any) -> bool:
    import keras

    is_network = isinstance(layer, keras.Model)
    return is_network and bool(layer.weights) and not layer.trainable_variables


def _has_statistics(network: Any) -> bool:
    """Whether it has batch normalization, whose statistics are finite."""
    from keras import ops

    statistics = [
        weight
        for weight in network.weights
        if weight.path.endswith(("moving_mean", "moving_variance"))
    ]
    finite = (ops.all(ops.isfinite(weight.value)) for weight in statistics)
    return bool(statistics) and all(map(bool, finite))


def _before(graph: Graph, name: str) -> Iterator[Node]:
    """Yield the calls from which those of a layer receive anything."""
    found = (
        graph.producer(tensor)
        for node in graph.nodes
        if node.layer.name == name
        for tensor in node.inputs
    )
    yield from _reached(
        found, lambda node: (graph.producer(tensor) for tensor in node.inputs)
    )


def _behind(graph: Graph, name: str) -> Iterator[Node]:
    """Yield the calls that receive anything from those of a layer."""

    def consumers(node: Node) -> Iterator[Node]:
        for tensor, nodes in graph.consumers.items():
            if tensor[:2] == (node.layer.name, node.call):
                yield from nodes

    own = [node for node in graph.nodes if node.layer.name == name]
    yield from _reached((n for node in own for n in consumers(node)), consumers)


def _reached(first: Iterable[Node | None], further: Any) -> Iterator[Node]:
    pending, seen = list(first), set()
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            pending += further(node)


def _names(nodes: Iterable[Node]) -> set[str]:
    return {node.layer.name for node in nodes}
