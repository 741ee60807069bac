"""The parts of a `.keras` model by name, whether they lie in a zip or in a folder."""

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
        """The names of all parts but assets, which may be among them."""

    @abstractmethod
    def assets(self) -> Iterator[str]:
        """The names of all assets, with `/` between folders.

        Raises:
            UnusableFileError: if one is outside the model's folder.
        """

    @abstractmethod
    def size(self, name: str) -> int:
        """How many bytes a part says that it has."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """A part, open for reading.

        Raises:
            UnusableFileError: if it is damaged or hostile.
        """

    @abstractmethod
    def open_weights(
        self, name: str, resources: ExitStack
    ) -> tuple[str | BinaryIO, Stretch | None]:
        """The weights, as h5py takes them, and where on the disk they lie.

        Raises:
            UnusableFileError: if they are damaged or hostile.
        """

    def read(self, name: str) -> bytes:
        """All of a part that is text.

        Raises:
            UnusableFileError: if it is damaged or longer than any model's.
        """
        size = self.size(name)
        if size > _MAX_JSON_BYTES:
            raise UnusableFileError(
                f"{name} declares {size:,} bytes; no model's is so long. It is not "
                "read."
            )
        with self.open(name) as file:
            return file.read(_MAX_JSON_BYTES)

    def need(self, name: str) -> None:
        """Check that there is a part of this name.

        Raises:
            UnusableFileError: if there is not.
        """
        names = self.names()
        if name in names:
            return
        if name == WEIGHTS and NPZ_WEIGHTS in names:
            raise UnusableFileError(
                f"The weights are in {NPZ_WEIGHTS}, where Keras wrote them as pickled "
                "objects. To read these is to run what they hold, so neither this nor "
                f"Keras 3.15 does. Received: {self.path}. If you trust it, load it "
                "with the version of Keras that wrote it, and save it with "
                "model.save('model.keras')."
            )
        raise UnusableFileError(
            f"There is no {name}, so it is no whole Keras model. Received: "
            f"{self.path} with {names[:5]}. Save the model with "
            "model.save('model.keras')."
        )
