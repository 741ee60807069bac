"""The parts of a model in a folder, as `model.save(folder, zipped=False)` writes it.

The Hugging Face Hub uses such folders, too. A link in it may lead to any file, so none
is followed out of the folder.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kerasbn.archive.members import ASSETS, CONFIG, NPZ_WEIGHTS, WEIGHTS, Members
from kerasbn.archive.probing import Stretch
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack


def is_model_folder(path: Path) -> bool:
    """Whether a folder holds the parts of a model, under the names that Keras uses."""
    weights = (path / WEIGHTS, path / NPZ_WEIGHTS)
    return (path / CONFIG).is_file() and any(weight.is_file() for weight in weights)


class FolderMembers(Members):
    """The files of a folder that belong to a model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        return self._names

    @cached_property
    def _names(self) -> list[str]:
        try:
            names = sorted(path.name for path in self.path.iterdir())
        except OSError as error:
            raise self._unreadable(error) from error
        return [name for name in names if (self.path / name).is_file()]

    def assets(self) -> Iterator[str]:
        top = self.path / ASSETS
        if top.is_symlink():
            raise self._linked(ASSETS)
        for here, folders, files in os.walk(top):
            inside = Path(here).relative_to(self.path)
            for name in folders:
                if (Path(here) / name).is_symlink():
                    raise self._linked(f"{inside.as_posix()}/{name}")
            folders.sort()
            yield from (f"{inside.as_posix()}/{name}" for name in sorted(files))

    def size(self, name: str) -> int:
        return self._file(name).stat().st_size

    def open(self, name: str) -> BinaryIO:
        try:
            return self._file(name).open("rb")
        except OSError as error:
            raise self._unreadable(error) from error

    def open_weights(self, name: str, resources: ExitStack) -> tuple[str, Stretch]:
        path = str(self._file(name))
        return path, Stretch(path)

    def _file(self, name: str) -> Path:
        """Return the path of a plain file inside the folder.

        Raises:
            UnusableFileError: if there is none of this name.
        """
        if not name.startswith(ASSETS):
            self.need(name)
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise self._linked(name)
        if not path.is_file():  # A pipe would block forever.
            raise UnusableFileError(
                f"{name} in the model's folder is not a plain file. Received: "
                f"{self.path}. Save the model again."
            )
        return path

    def _linked(self, name: str) -> UnusableFileError:
        return UnusableFileError(
            f"{name} in the model's folder is a link to another place, which is not "
            f"followed. Received: {self.path}. Copy the folder with the targets of its "
            "links (cp -rL)."
        )

    def _unreadable(self, error: OSError) -> UnusableFileError:
        return UnusableFileError(
            f"The model's folder cannot be read: {error.strerror or error}. Received: "
            f"{self.path}."
        )
