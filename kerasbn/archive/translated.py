"""A file of Keras 2 or tf_keras, read as one of Keras 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kerasbn.archive.base import Archive
from kerasbn.config_tree import layer_entries
from kerasbn.errors import UnsupportedFormatError
from kerasbn.graph.keras2 import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

    from kerasbn.archive.base import Asset
    from kerasbn.archive.hdf5 import StoredArray
    from kerasbn.graph.keras2 import Translation

# The version of Keras whose form a translation has.
_FORM = "3.15.0"
# The state of a random generator; Keras 3 makes its own.
_RANDOM = ("Random", "Dropout", "Gaussian", "Alpha", "SpatialDropout")


def in_keras_3(archive: Archive) -> Archive:
    """The archive itself if Keras 3 wrote it, else a translation of it.

    Raises:
        NotAGraphError: if the model is neither Functional nor Sequential.
        UnsupportedFormatError: if a layer cannot be translated; it is named.
        UnusableFileError: if the configuration is malformed.
    """
    if not archive.is_keras_2:
        return archive
    try:
        return TranslatedArchive(archive, translate(archive.config))
    except UnsupportedFormatError as error:
        path = str(archive.path)
        raise UnsupportedFormatError(
            f"{error} Received: {path}, keras_version {archive.keras_version}. Rebuild "
            "the model without it; or, if Keras 3 loads the file, save it anew and use "
            f"that: keras.models.load_model({path!r}, compile=False)"
            ".save('model.keras')."
        ) from error


class TranslatedArchive(Archive):
    """A translated model with the weights of the file that it came from."""

    format: ClassVar[Literal["keras", "h5"]] = "keras"

    def __init__(self, source: Archive, translation: Translation) -> None:
        self.path = source.path
        self.root = source.root
        self.config = translation.config
        self.metadata = {"keras_version": _FORM}
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
        """The path of a layer in the file; a wrapped layer's is below its wrapper's."""
        if path in self._classes:
            return self._old_paths.get(path, path)
        above, _, name = path.rpartition("/")
        return f"{self._old_paths.get(above, above)}/{name}"
