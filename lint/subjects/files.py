"""The files that a target means."""

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
    """Whether a path is a folder, and not one that is a model itself."""
    return path.is_dir() and not (path / "saved_model.pb").is_file()


def lintable_files(
    folder: Path, leaves_out: Callable[[Path, bool], bool]
) -> Iterator[Path]:
    """Every file in a folder that can be linted, sorted; no folder link is followed.

    A folder that holds the parts of a model is a model itself.

    Args:
        folder: where to look.
        leaves_out: (path, whether it is a folder) -> whether it is passed over.
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
    )  # It loads h5py, which source needs not.

    return is_model_folder(folder)


def is_lintable(path: Path) -> bool:
    """Whether a file has the name of one that can be linted."""
    name = path.name.lower()
    return name.endswith(SOURCE + NOTEBOOK + MODEL) and not name.endswith(WEIGHTS_ONLY)


def each_once(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, without those of a file that came before."""
    seen = set()
    for path in paths:
        if (real := os.path.realpath(path)) not in seen:
            seen.add(real)
            yield path
