"""A saved model file as a `Model`; no framework is loaded."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from kerasbn.archive import UnsupportedFormatError, UnusableFileError, open_archive
from kerasbn.graph import NotAGraphError, read_graph

from .graph_layers import read_layers
from .model import Model, Statistics
from .unread import Unread, UnreadError
from .weights_only import find_batch_norms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kerasbn.archive import Archive
    from kerasbn.graph import Graph, Layer


@contextmanager
def open_saved_model(path: Path) -> Iterator[Model]:
    """The model in a file, for as long as the file is open.

    Raises:
        UnreadError: if the file is damaged, whether that shows now or only when a
            layer's arrays are read; or if its format is not supported.
    """
    try:
        with open_archive(path) as archive:
            with _malformed_is_unusable():
                model = _read(archive, path)
            yield model
    except UnsupportedFormatError as error:
        raise UnreadError(Unread(str(path), str(error), supported=False)) from error
    except UnusableFileError as error:
        raise UnreadError(Unread(str(path), str(error))) from error


@contextmanager
def _malformed_is_unusable() -> Iterator[None]:
    """A damaged HDF5 file may fail in h5py anywhere and with any of these."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise UnusableFileError(
            f"The file is malformed: {error}. Save the model again."
        ) from error


def _read(archive: Archive, path: Path) -> Model:
    graph = _graph(archive)
    layers = list(find_batch_norms(archive, graph))
    if graph is not None:
        layers = [*read_layers(graph, partial(_reader, archive, graph)), *layers]
    return Model(
        path=str(path),
        keras_version=archive.keras_version,
        batch_norms=tuple(layers),
        iterations=archive.iterations(),
        graph=graph,
    )


def _graph(archive: Archive) -> Graph | None:
    try:
        return read_graph(archive.config)
    except NotAGraphError:
        return None


def _reader(
    archive: Archive, graph: Graph, layer: Layer
) -> Callable[[], Statistics | None]:
    """Reads the arrays of a BN layer of the graph."""

    @_malformed_is_unusable()
    def read() -> Statistics | None:
        names = layer.batch_norm_variables
        stored = archive.variables(layer.path)
        if not stored and _may_be_unbuilt(graph):
            return None
        if len(stored) < len(names):
            raise UnusableFileError(
                f"Of the {len(names)} weights of the layer {layer.path!r} the file "
                f"holds {len(stored)}. It is damaged; save the model again."
            )
        arrays = {
            name: array.read() for name, array in zip(names, stored, strict=False)
        }
        return Statistics(
            mean=arrays["moving_mean"],
            variance=arrays["moving_variance"],
            gamma=arrays.get("gamma"),
            beta=arrays.get("beta"),
        )

    return read


def _may_be_unbuilt(graph: Graph) -> bool:
    """Whether it is a Sequential model that never saw an input, and has no weights."""
    return "input_layers" not in graph.model["config"] and not any(
        layer.class_name == "InputLayer" for layer in graph.layers.values()
    )
