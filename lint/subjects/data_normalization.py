"""Keras' `Normalization` layers in a model, and the statistics that they adapted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kerasbn.graph import Graph, Layer

    from .model import Array

    Arrays = tuple[Array, Array]


@dataclass(frozen=True)
class DataNormalization:
    """A `Normalization` layer that was not given its mean and variance.

    Attributes:
        path: the layer's path, such as `inner/normalization`.
        read: reads its mean and variance; returns None if they are not there.
    """

    path: str
    read: Callable[[], Arrays | None]

    @property
    def is_adapted(self) -> bool:
        """Whether its mean and variance are other than at first, or not there."""
        arrays = self.read()
        if arrays is None:
            return True
        mean, variance = arrays
        return not ((mean == 0).all() and (variance == 1).all())

    @property
    def constant_features(self) -> int:
        """How many features did not vary in the data that it adapted to."""
        arrays = self.read()
        return 0 if arrays is None else int((arrays[1] == 0).sum())


def in_graph(
    graph: Graph, reader: Callable[[Layer], Callable[[], Arrays | None]]
) -> Iterator[DataNormalization]:
    """Yield those of a graph and of the models nested in it.

    Args:
        graph: the graph.
        reader: makes a reader of a layer's mean and variance.
    """
    for nested in graph.graphs():
        for layer in nested.layers.values():
            is_one = layer.kind == "Normalization"
            if is_one and layer.config.get("mean") is None:
                yield DataNormalization(layer.path, reader(layer))


def of_live_layer(layer: Any, path: str) -> DataNormalization | None:
    """Return what a layer of a live model is, if it is one."""
    import keras

    is_one = isinstance(layer, keras.layers.Normalization)
    if not is_one or layer.input_mean is not None:
        return None

    def read() -> Arrays | None:
        if not layer.built:
            return None
        mean, variance = layer.adapt_mean, layer.adapt_variance
        to_numpy = keras.ops.convert_to_numpy
        return to_numpy(mean), to_numpy(variance)

    return DataNormalization(path, read)
