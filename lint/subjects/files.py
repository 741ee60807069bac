"""The files that belong to a target."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SOURCE = (".py",)
NOTEBOOK = (".ipynb",)
MODEL = (".keras", ".h5", ".hdf5")
WEIGHTS_ONLY = ".weights.h5"
_PART_OF_MODEL = "config.json"


def is_folder_of_files(path: Path) -> bool:
    """Whether a path is a folder that is not itself a model."""
    return path.is_dir() and not (path / "saved_model.pb").is_file()


def lintable_files(
    folder: Path, leaves_out: Callable[[Path, bool], bool]
) -> Iterator[Path]:
    """Yield every lintable file in a folder, sorted, without following folder links.

    A folder that holds the parts of a model is itself a model.

    Args:
        folder: the folder to search.
        leaves_out: (path, whether it is a folder) -> whether it is skipped.
    """
    for here, folders, files in os.walk(folder):
        parent = Path(here)
        folders[:] = sorted(
            name for name in folders if not leaves_out(parent / name, True)
        )
        if _PART_OF_MODEL in files and _is_model(parent):
            yield parent
        for name in sorted(files):
            path = parent / name
            if is_lintable(path) and path.exists() and not leaves_out(path, False):
                yield path


def _is_model(folder: Path) -> bool:
    from kerasbn.archive import (
        is_model_folder,
    )  # This loads h5py, which source does not need.

    return is_model_folder(folder)


def is_lintable(path: Path) -> bool:
    """Whether a file's name is that of a lintable file."""
    name = path.name.lower()
    return name.endswith(SOURCE + NOTEBOOK + MODEL) and not name.endswith(WEIGHTS_ONLY)


def each_once(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths, each file only once."""
    seen = set()
    for path in paths:
        if (real := os.path.realpath(path)) not in seen:
            seen.add(real)
            yield path
