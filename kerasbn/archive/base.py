"""The interface of model files, whatever their format."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, NamedTuple, Self

from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    import h5py

    from kerasbn.archive.hdf5 import StoredArray


class Asset(NamedTuple):
    """A file that a layer stores in addition to its weights, such as a vocabulary.

    Attributes:
        layer: the layer's path; "" for the model's own.
        name: its path among the layer's assets.
        file: its bytes, open for reading.
    """

    layer: str
    name: str
    file: BinaryIO


class Archive(ABC):
    """An open model file.

    Attributes:
        path: the file.
        config: the model's whole configuration: `class_name`, `config` and so on.
        metadata: further information in the file, such as `keras_version`.
        root: the HDF5 file that holds the weights.
        notes: possible differences from the model that wrote the file.
    """

    format: ClassVar[Literal["keras", "h5"]]
    path: Path
    config: dict[str, Any]
    metadata: dict[str, Any]
    root: h5py.File
    notes: tuple[str, ...] = ()
    _resources: ExitStack

    def keep_open(self, resources: ExitStack) -> None:
        """Take ownership of files, which `close` then closes."""
        self._resources = resources

    def close(self) -> None:
        """Close the file. HDF5 left open until the interpreter exits may crash it."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def keras_version(self) -> str | None:
        """The version of Keras that wrote the file, such as `3.15.1`.

        tf_keras and Keras 2 write versions that begin with 2.
        """
        version = self.metadata.get("keras_version")
        return version if isinstance(version, str) else None

    @property
    def is_keras_2(self) -> bool:
        """Whether Keras 2, tf_keras or an older one wrote the file."""
        return (self.keras_version or "1").split(".")[0] in ("0", "1", "2")

    @property
    def file_bytes(self) -> int | None:
        """The size of the file, or of the folder's files together."""
        path = self.path
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())

    @abstractmethod
    def variables(self, path: str) -> tuple[StoredArray, ...]:
        """Return the variables of the layer at `path`, in their order of creation.

        Those of objects inside the layer, such as an RNN's cell, are not included. A
        layer that stores nothing, or is missing, has none.
        """

    def variable(self, path: str, index: int) -> StoredArray | None:
        """Return one variable of the layer at `path`, which may be quicker than all.

        None if the layer stores fewer.
        """
        stored = self.variables(path)
        return stored[index] if index < len(stored) else None

    @abstractmethod
    def parameters(self) -> int:
        """The number of parameters, as in `model.count_params()`.

        The state of the optimizer and of metrics does not count.
        """

    @abstractmethod
    def iterations(self) -> int | None:
        """The number of steps of the optimizer; None if the file does not say."""

    @abstractmethod
    def copy_layer(self, path: str, target: h5py.Group) -> None:
        """Copy everything that the layer stores into `target`, laid out as in `.keras`.

        Raises:
            UnusableFileError: if the layout is not known from the format.
        """

    @abstractmethod
    def copy_model(self, target: h5py.Group) -> None:
        """Copy what belongs to the model itself, except the optimizer's state."""

    @abstractmethod
    def assets(self) -> Iterator[Asset]:
        """Yield every asset; each is open until the next is taken."""


# Each nested model takes three levels. This is deeper than any real model, yet shallow
# enough for recursive functions to walk it.
_MAX_DEPTH = 200
_CONTAINERS = (dict, list)  # As a tuple it is looked up once, not for each value.


def parse_json(text: str | bytes, name: str) -> dict[str, Any]:
    """Parse an object from untrusted JSON text.

    Raises:
        UnusableFileError: if it is not JSON, nested too deeply, or not an object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableFileError(
            f"{name} is not valid JSON: {error}. The file is damaged; save it again."
        ) from error
    if not isinstance(value, dict):
        raise UnusableFileError(
            f"{name} must contain an object. Received: {type(value).__name__}."
        )
    if _is_deep(value):
        raise UnusableFileError(
            f"{name} is nested more than {_MAX_DEPTH} levels deep, which no real model "
            "is, and is not read."
        )
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, _CONTAINERS)
        ]
    return bool(level)
