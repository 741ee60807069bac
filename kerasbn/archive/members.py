"""The parts of a `.keras` model by name, whether in a zip or in a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, BinaryIO

from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from kerasbn.archive.probing import Stretch

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS, ASSETS = "model.weights.h5", "assets/"
NPZ_WEIGHTS = "model.weights.npz"

_MAX_JSON_BYTES = 256 * 2**20


class Members(ABC):
    """The parts of one model.

    Attributes:
        path: the file or the folder.
    """

    path: Path

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all parts except assets, which may be among them."""

    @abstractmethod
    def assets(self) -> Iterator[str]:
        """Yield the names of all assets, with `/` between folders.

        Raises:
            UnusableFileError: if one is outside the model's folder.
        """

    @abstractmethod
    def size(self, name: str) -> int:
        """Return the declared size of a part in bytes."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a part for reading.

        Raises:
            UnusableFileError: if it is damaged or hostile.
        """

    @abstractmethod
    def open_weights(
        self, name: str, resources: ExitStack
    ) -> tuple[str | BinaryIO, Stretch | None]:
        """Return the weights, in a form for h5py, and their place on the disk.

        Raises:
            UnusableFileError: if they are damaged or hostile.
        """

    def read(self, name: str) -> bytes:
        """Read a part that is text.

        Raises:
            UnusableFileError: if it is damaged or longer than any real model's.
        """
        size = self.size(name)
        if size > _MAX_JSON_BYTES:
            raise UnusableFileError(
                f"{name} declares {size:,} bytes, more than any real model has, and is "
                "not read."
            )
        with self.open(name) as file:
            return file.read(_MAX_JSON_BYTES)

    def need(self, name: str) -> None:
        """Check that a part of this name exists.

        Raises:
            UnusableFileError: if it does not.
        """
        names = self.names()
        if name in names:
            return
        if name == WEIGHTS and NPZ_WEIGHTS in names:
            raise UnusableFileError(
                f"The weights are in {NPZ_WEIGHTS}, where Keras wrote them as pickled "
                "objects. Reading these would run code in them, so neither kerasbn nor "
                f"Keras 3.15 does so. Received: {self.path}. If you trust the file, "
                "load it with the version of Keras that wrote it, and save it with "
                "model.save('model.keras')."
            )
        raise UnusableFileError(
            f"{name} is missing, so this is not a complete Keras model. Received: "
            f"{self.path} with {names[:5]}. Save the model with "
            "model.save('model.keras')."
        )
