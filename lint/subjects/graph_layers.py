"""The BN layers of a graph, for any way to read their arrays."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from .model import BatchNorm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kerasbn.graph import Graph, Layer

    from .model import Statistics

    Reader = Callable[[], Statistics | None]


def read_layers(
    graph: Graph,
    reader: Callable[[Layer], Reader],
    inside: Callable[[Layer, bool], Iterable[BatchNorm]] = lambda layer, frozen: (),
    frozen: bool = False,
    calls: int = 1,
) -> Iterator[BatchNorm]:
    """Yield every BN layer of the graph and of the models nested in it.

    Args:
        graph: the graph.
        reader: makes a reader of a layer's arrays.
        inside: finds the BN layers in any other layer, given whether it is frozen.
        frozen: whether a model around this one has `trainable=False`.
        calls: how often this graph is called.
    """
    frozen |= graph.model["config"].get("trainable") is False
    for layer in graph.layers.values():
        layer_frozen = frozen or not layer.trainable
        layer_calls = calls * len(graph.calls(layer))
        if layer.graph is not None:
            yield from read_layers(
                layer.graph, reader, inside, layer_frozen, layer_calls
            )
        elif layer.is_batch_norm:
            yield BatchNorm(
                path=layer.path,
                config=layer.config,
                frozen=layer_frozen,
                training_flags=_training_flags(graph, layer),
                read_statistics=cache(reader(layer)),  # Several rules ask.
                calls=layer_calls,
            )
        else:
            for found in inside(layer, layer_frozen):
                # A subclass of BN is called as the graph says; what a layer holds is
                # called by its code.
                itself = found.path == layer.path
                yield replace(found, calls=layer_calls) if itself else found


def _training_flags(graph: Graph, layer: Layer) -> tuple[bool | None, ...]:
    return tuple(
        node.training for node in graph.calls(layer) if "training" in node.kwargs
    )
