"""A saved model file as a `Model`; no framework is loaded."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from kerasbn.archive import UnsupportedFormatError, UnusableFileError, open_archive
from kerasbn.archive.numbering import layer_groups
from kerasbn.graph import NotAGraphError, read_graph

from .data_normalization import data_normalizations_of_graph
from .graph_layers import read_layers
from .model import BatchNorm, Model, Statistics
from .unread import Unread, UnreadError
from .weights_file import may_be_weights, open_weights
from .weights_only import batch_norms_in_group, find_batch_norms, is_opaque
from .wrapped import has_batch_norm_config, wrapped_batch_norms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from kerasbn.archive import Archive, StoredArray
    from kerasbn.graph import Graph, Layer

    from .data_normalization import Arrays, DataNormalization


@contextmanager
def open_saved_model(path: Path) -> Iterator[Model]:
    """Open the model in a file, for as long as the file is open.

    Raises:
        UnreadError: if the file is damaged, whether that shows now or only when a
            layer's arrays are read; or if its format is not supported.
    """
    try:
        with _opened(path) as model, _damage_is_unusable():
            yield model
    except UnsupportedFormatError as error:
        raise UnreadError(Unread(str(path), str(error), supported=False)) from error
    except UnusableFileError as error:
        raise UnreadError(Unread(str(path), str(error))) from error


@contextmanager
def _opened(path: Path) -> Iterator[Model]:
    """Open the model, or the weights if there is batch normalization among them."""
    try:
        archive = open_archive(path)
    except UnsupportedFormatError:
        if not may_be_weights(path):
            raise
        with open_weights(path) as model:
            if not model.batch_norms:
                raise
            yield model
        return
    with archive, _damage_is_unusable():
        yield _read(archive, path)


@contextmanager
def _damage_is_unusable() -> Iterator[None]:
    """Convert either of h5py's errors for a damaged HDF5 file.

    The content of a configuration is checked when it is read, so that a bug of
    model-lint is not mistaken for damage.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise UnusableFileError(
            f"The file is malformed: {type(error).__name__}: {error}. Save the model "
            "again."
        ) from error


def _read(archive: Archive, path: Path) -> Model:
    archive, graph = _graph(archive)
    of_data: Iterable[DataNormalization] = ()
    if graph is None:
        layers = find_batch_norms(archive)
    else:
        groups = cache(partial(layer_groups, archive.config))
        reader = partial(_reader, archive, graph)
        layers = read_layers(
            graph,
            reader,
            partial(_inside, archive, groups, reader),
        )
        of_data = data_normalizations_of_graph(
            graph, partial(_reader_of_adapted, archive)
        )
    return Model(
        path=str(path),
        keras_version=archive.keras_version,
        batch_norms=tuple(layers),
        iterations=archive.iterations(),
        graph=graph,
        data_normalizations=tuple(of_data),
    )


def _graph(archive: Archive) -> tuple[Archive, Graph | None]:
    """Return the graph, and the archive that stores its layers under their paths in it.

    For Keras 2 it is the graph of its translation, if there is one, in which arithmetic
    is explicit.
    """
    if archive.is_keras_2:
        from kerasbn.archive.translated import for_reading  # Its tables take time.

        with suppress(NotAGraphError, UnusableFileError):
            translated = for_reading(archive)
            return translated, read_graph(translated.config)
    try:
        return archive, read_graph(archive.config)
    except NotAGraphError:
        return archive, None


def _inside(
    archive: Archive,
    groups: Callable[[], Mapping[str, str]],
    reader: Callable[[Layer], Callable[[], Statistics | None]],
    layer: Layer,
    frozen: bool,
) -> Iterator[BatchNorm]:
    """Yield the BN layers in an opaque layer, from its configuration and its weights.

    The layer may itself be one, of a subclass.
    """
    if has_batch_norm_config(layer):
        yield BatchNorm(layer.path, layer.config, frozen, (), reader(layer), calls=None)
        return
    if not is_opaque(layer):
        return
    listed = {
        batch_norm.path: batch_norm for batch_norm in wrapped_batch_norms(layer, frozen)
    }
    group = groups().get(layer.path)
    stored = {
        batch_norm.path: batch_norm
        for batch_norm in batch_norms_in_group(archive, group, layer.path, frozen)
    }
    if len(listed) == len(stored) == 1:  # Before 3.6 no layer's name was stored.
        stored = dict(zip(listed, stored.values(), strict=True))
    for path, found in {**stored, **listed}.items():
        arrays = stored.get(path, found).read_statistics
        yield replace(found, read_statistics=arrays)


def _reader(
    archive: Archive, graph: Graph, layer: Layer
) -> Callable[[], Statistics | None]:
    """Return a reader of the arrays of a BN layer of the graph."""
    names = layer.batch_norm_variables

    @_damage_is_unusable()
    def read() -> Statistics | None:
        # The last one shows whether all are there.
        needed = {"moving_mean", "moving_variance", names[-1]}
        stored = {name: array(name) for name in needed}
        is_empty = None in stored.values() and not archive.variables(layer.path)
        if is_empty and _may_be_unbuilt(graph):
            return None
        arrays = {name: values(variable) for name, variable in stored.items()}
        return Statistics(
            arrays["moving_mean"],
            arrays["moving_variance"],
            (lambda: values(array("gamma"))) if "gamma" in names else None,
            (lambda: values(array("beta"))) if "beta" in names else None,
        )

    def array(name: str) -> StoredArray | None:
        return archive.variable(layer.path, names.index(name))

    def values(stored: StoredArray | None) -> NDArray[Any]:
        if stored is None:
            count = len(archive.variables(layer.path))
            raise UnusableFileError(
                f"The file holds {count} of the {len(names)} weights of the layer "
                f"{layer.path!r}. It is damaged; save the model again."
            )
        return stored.read()

    return read


def _reader_of_adapted(archive: Archive, layer: Layer) -> Callable[[], Arrays | None]:
    """Return a reader of the mean and variance of a `Normalization` layer."""

    @cache
    @_damage_is_unusable()
    def read() -> Arrays | None:
        mean, variance = (archive.variable(layer.path, index) for index in (0, 1))
        if mean is None or variance is None:
            return None
        return mean.read(), variance.read()

    return read


def _may_be_unbuilt(graph: Graph) -> bool:
    """Whether it is a Sequential model that was never built, and has no weights."""
    return "input_layers" not in graph.model["config"] and not any(
        layer.class_name == "InputLayer" for layer in graph.layers.values()
    )
