"""A file of Keras 2 or tf_keras, read as one of Keras 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kerasbn.archive.base import Archive
from kerasbn.config_tree import layer_entries
from kerasbn.errors import UnsupportedFormatError
from kerasbn.graph import read_graph
from kerasbn.graph.keras2 import (
    UntranslatableError,
    differences,
    translate,
    turned_around,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import h5py

    from kerasbn.archive.base import Asset
    from kerasbn.archive.hdf5 import StoredArray
    from kerasbn.graph import Graph
    from kerasbn.graph.keras2 import Translation

# The version of Keras whose format a translation has.
_FORM = "3.15.0"
# The state of a random generator; Keras 3 creates its own.
_RANDOM = ("Random", "Dropout", "Gaussian", "Alpha", "SpatialDropout")


def in_keras_3(archive: Archive) -> Archive:
    """Translate an archive that Keras 2 or tf_keras wrote.

    Raises:
        NotAGraphError: if the model is neither Functional nor Sequential.
        UnsupportedFormatError: if a layer cannot be translated; the message names it.
        UnusableFileError: if the configuration is malformed.
    """
    _check_age(archive)
    try:
        translation = translate(archive.config)
    except UntranslatableError as error:
        path = str(archive.path)
        remedy = error.remedy or (
            "Rebuild the model without it; or, if Keras 3 loads the file, save it "
            "again and use that: keras.models.load_model({path!r}, compile=False)"
            ".save('model.keras')."
        )
        raise UnsupportedFormatError(
            f"{error} Received: {path}, keras_version {archive.keras_version}. "
            + remedy.format(path=path)
        ) from error
    graph = read_graph(archive.config)
    _check_kernels(archive, graph)
    notes = differences(graph, archive.keras_version or "")
    return TranslatedArchive(archive, translation, notes)


def for_reading(archive: Archive) -> Archive:
    """Translate with old layer names, and keep the version that wrote the file.

    Raises:
        NotAGraphError: if the model is neither Functional nor Sequential.
        UnusableFileError: if it cannot be translated, or is malformed.
    """
    translated = TranslatedArchive(archive, translate(archive.config, keep_names=True))
    translated.metadata = archive.metadata
    return translated


def _check_age(archive: Archive) -> None:
    """Refuse files of Keras 1, which had other arguments, and other orders of weights.

    Raises:
        UnsupportedFormatError: if the file is that old.
    """
    version = archive.keras_version or "2"
    if version.split(".")[0] in ("0", "1"):
        raise UnsupportedFormatError(
            f"Files of Keras 1 are not translated. Received: {archive.path}, "
            f"keras_version {version}. Keras 2 up to 2.3 converts them (pip install "
            "'keras<2.4', with Python 3.7 or older): load the file there, save it "
            "again, and use that."
        )


def _check_kernels(archive: Archive, graph: Graph) -> None:
    """Refuse a file written with Theano whose convolution kernels are flipped.

    Raises:
        UnsupportedFormatError: if there are such kernels.
    """
    if archive.metadata.get("backend") != "theano":
        return
    path = turned_around(graph)
    if path is not None:
        raise UnsupportedFormatError(
            f"The kernel of the layer {path!r} was trained with Theano, whose "
            f"convolutions flip kernels. Received: {archive.path}, backend theano. "
            "Keras 2 up to 2.3 on TensorFlow flips them back (pip install 'keras<2.4', "
            "with Python 3.7 or older): load the file there, save it again, and use "
            "that."
        )


class TranslatedArchive(Archive):
    """A translated model with the weights of the original file."""

    format: ClassVar[Literal["keras", "h5"]] = "keras"

    def __init__(
        self, source: Archive, translation: Translation, notes: Sequence[str] = ()
    ) -> None:
        self.path = source.path
        self.root = source.root
        self.config = translation.config
        self.metadata = {"keras_version": _FORM}
        self.notes = tuple(notes)
        self._source = source
        self._old_paths = translation.old_paths
        self._classes = {
            entry.path: entry.class_name for entry in layer_entries(self.config)
        }

    def close(self) -> None:
        self._source.close()

    def variables(self, path: str) -> tuple[StoredArray, ...]:
        return self._source.variables(self._old(path))

    def parameters(self) -> int:
        return self._source.parameters()

    def iterations(self) -> int | None:
        return self._source.iterations()

    def copy_layer(self, path: str, target: h5py.Group) -> None:
        if self._classes.get(path, "").startswith(_RANDOM):
            return
        self._source.copy_layer(self._old(path), target)
        for name in list(target):  # The parts of a MultiHeadAttention.
            if name.startswith("_") and name.endswith("_dense"):
                target.move(name, name.removeprefix("_"))

    def copy_model(self, target: h5py.Group) -> None:
        self._source.copy_model(target)

    def assets(self) -> Iterator[Asset]:
        return iter(())

    def _old(self, path: str) -> str:
        """Return a layer's path in the file, that of a wrapped layer by its wrapper."""
        if path in self._classes:
            return self._old_paths.get(path, path)
        above, _, name = path.rpartition("/")
        return f"{self._old_paths.get(above, above)}/{name}"
