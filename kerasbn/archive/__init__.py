"""A saved model as (configuration, weights by layer path, assets), without Keras.

Two formats are read: `.keras`, a zip or a folder of `metadata.json`, `config.json` and
`model.weights.h5`, and the legacy whole-model `.h5`. One is written: a `.keras` zip.

A layer is named by its path, the names of the models around it and its own:
`inner/bn1`. Weights are read on demand, layer by layer, because the commands need only
a few of many.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from kerasbn.archive.base import Archive
from kerasbn.archive.blocks import Blockwise, Place, blocks
from kerasbn.archive.folder_members import FolderMembers, is_model_folder
from kerasbn.archive.hdf5 import StoredArray
from kerasbn.archive.keras_format import KerasArchive
from kerasbn.archive.writing import write_archive
from kerasbn.archive.zip_members import ZipMembers
from kerasbn.errors import UnsupportedFormatError, UnusableFileError
from kerasbn.isolation import isolated

__all__ = [
    "Archive",
    "Blockwise",
    "Place",
    "StoredArray",
    "UnsupportedFormatError",
    "UnusableFileError",
    "blocks",
    "is_model_folder",
    "isolated",
    "open_archive",
    "open_own",
    "write_archive",
]

_OTHER_FORMATS = {
    ".pb": "A TensorFlow graph",
    ".tflite": "A LiteRT model",
    ".onnx": "An ONNX model",
    ".pt": "A PyTorch checkpoint",
    ".pth": "A PyTorch checkpoint",
    ".ckpt": "A checkpoint",
    ".index": "A TensorFlow checkpoint",
    ".npz": "A NumPy archive",
}


def open_archive(path: str | Path) -> Archive:
    """Open a `.keras` file or folder, or a legacy whole-model `.h5`, for reading.

    The content decides, not the name. Close the archive, or use it in a `with`
    statement.

    Raises:
        UnusableFileError: if the file is missing, damaged, or hostile.
        UnsupportedFormatError: if its format holds no Keras model.
    """
    path = Path(path)
    with ExitStack() as resources:
        archive = _opened(path, resources)
        archive.keep_open(resources.pop_all())
    return archive


def open_own(path: Path) -> Archive:
    """Open a `.keras` file that this process has just written, for reading."""
    with ExitStack() as resources:
        archive = KerasArchive(ZipMembers(path, resources), resources, own=True)
        archive.keep_open(resources.pop_all())
    return archive


def _opened(path: Path, resources: ExitStack) -> Archive:
    if is_model_folder(path):
        return KerasArchive(FolderMembers(path), resources)
    magic = _first_bytes(path)
    if magic.startswith(b"PK"):
        return KerasArchive(ZipMembers(path, resources), resources)
    if magic == b"\x89HDF\r\n\x1a\n":
        from kerasbn.archive.legacy_h5 import LegacyH5Archive

        return LegacyH5Archive(path, resources)
    raise _foreign(path, magic)


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise UnsupportedFormatError(
                "A TensorFlow SavedModel contains neither momentum nor layers. "
                f"Received: {path}. Save the model with model.save('model.keras')."
            )
        raise UnusableFileError(
            "Not a model: a model is a file, or a folder with a config.json and a "
            f"model.weights.h5. Received: {path}."
        )
    try:
        if path.exists() and not path.is_file():  # A pipe would block forever.
            raise UnusableFileError(
                f"A model file cannot be a device or pipe. Received: {path}."
            )
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise UnusableFileError(
            f"The file cannot be opened: {error.strerror or error}. Received: {path}."
        ) from error


def _foreign(path: Path, magic: bytes) -> UnusableFileError:
    if not magic:
        return UnusableFileError(
            f"The file is empty. Received: {path}. Save the model again."
        )
    if kind := _OTHER_FORMATS.get(path.suffix.lower()):
        return UnsupportedFormatError(
            f"{kind} does not contain a Keras model's configuration. Received: {path}. "
            "Save the model with model.save('model.keras')."
        )
    return UnusableFileError(
        "The file is neither a .keras archive (zip) nor HDF5. Received: "
        f"{path}, which begins with {magic!r}. Save the model with "
        "model.save('model.keras')."
    )
