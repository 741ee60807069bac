"""The order in which Keras lists the layers of a Functional model.

Weights are stored by number within a class, and the number follows this order. It
depends on the depth of each call, so removing a layer can change it elsewhere, too.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kerasbn.graph.model import Graph, Node, Tensor


def keras_order(graph: Graph) -> list[str]:
    """Return the names of a Functional model's layers, in the order of `model.layers`.

    The deepest come first, where the depth of a layer is the longest path from it to an
    output; layers of equal depth are in the order of a depth-first walk back from the
    outputs: the order of `keras.src.ops.function.map_graph`. A Sequential model keeps
    its own order.
    """
    if "input_layers" not in graph.model["config"]:
        return list(graph.layers)
    topological, first_seen = _walk_back(graph)
    depth_of_layer = _depths(graph, topological)
    for tensor in graph.inputs:  # Inputs that no output needs.
        if tensor.layer not in depth_of_layer:
            depth_of_layer[tensor.layer] = 0
            first_seen[tensor.layer] = -1
    return sorted(
        depth_of_layer, key=lambda name: (-depth_of_layer[name], first_seen[name])
    )


def _walk_back(graph: Graph) -> tuple[list[Node], dict[str, int]]:
    """Return the calls from inputs to outputs, and the layers as first seen."""
    topological: list[Node] = []
    first_seen: dict[str, int] = {}
    done: set[Node] = set()
    for output in graph.outputs:
        under_way: dict[Node, Iterator[Node]] = {}
        following = _entering(graph, (output,))
        while True:
            node = next((found for found in following if found not in done), None)
            if node is not None:
                first_seen.setdefault(node.layer.name, len(first_seen))
                following = under_way[node] = _entering(graph, node.inputs)
            elif under_way:
                finished, _ = under_way.popitem()
                done.add(finished)
                topological.append(finished)
                following = next(reversed(under_way.values()), iter(()))
            else:
                break
    return topological, first_seen


def _entering(graph: Graph, tensors: Iterable[Tensor]) -> Iterator[Node]:
    """Yield the calls that make `tensors`, one after the other."""
    for tensor in tensors:
        if (node := graph.producer(tensor)) is not None:
            yield node


def _depths(graph: Graph, topological: list[Node]) -> dict[str, int]:
    depth_of_call: defaultdict[Node, int] = defaultdict(int)
    depth_of_layer: defaultdict[str, int] = defaultdict(int)
    for node in reversed(topological):
        # All calls of a layer count as deep as its deepest one so far.
        depth = max(depth_of_call[node], depth_of_layer[node.layer.name])
        depth_of_call[node] = depth_of_layer[node.layer.name] = depth
        for tensor in node.inputs:
            before = graph.producer(tensor)
            if before is not None:
                depth_of_call[before] = max(depth + 1, depth_of_call[before])
    return dict(depth_of_layer)
