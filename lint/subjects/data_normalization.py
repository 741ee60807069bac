"""Keras' `Normalization` layers in a model, and the statistics that they adapted to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


def data_normalizations_of_graph(
    graph: Graph, reader: Callable[[Layer], Callable[[], Arrays | None]]
) -> Iterator[DataNormalization]:
    """Yield the layers of a graph, and of the models nested in it.

    Args:
        graph: the graph.
        reader: makes a reader of a layer's mean and variance.
    """
    for nested in graph.graphs():
        for layer in nested.layers.values():
            is_data_normalization = layer.kind == "Normalization"
            if is_data_normalization and layer.config.get("mean") is None:
                yield DataNormalization(layer.path, reader(layer))


def live_data_normalizations(
    layers: Iterable[tuple[Any, str]],
) -> Iterator[DataNormalization]:
    """Yield those of a live model's layers, of which each comes with its path."""
    import keras

    for layer, path in layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            yield DataNormalization(path, partial(_read_live, layer))


def _read_live(layer: Any) -> Arrays | None:
    from keras import ops

    if not layer.built:
        return None
    mean, variance = layer.adapt_mean, layer.adapt_variance
    return ops.convert_to_numpy(mean), ops.convert_to_numpy(variance)
