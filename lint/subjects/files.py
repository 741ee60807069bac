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

# Folders of tools, environments and products, which nobody wants to lint.
_USUALLY_EXCLUDED = {
    *(".bzr", ".git", ".hg", ".svn"),
    *(".direnv", ".eggs", ".nox", ".pixi", ".tox", ".venv", "venv"),
    *(".mypy_cache", ".pytest_cache", ".pytype", ".ruff_cache", "__pycache__"),
    *(".idea", ".ipynb_checkpoints", ".vscode"),
    *("__pypackages__", "_build", "build", "dist", "node_modules", "site-packages"),
}


def is_folder_of_files(path: Path) -> bool:
    """Whether a path is a folder, and not one that is a model itself."""
    return path.is_dir() and not (path / "saved_model.pb").is_file()


def lintable_files(
    folder: Path, excluded: Callable[[Path], bool] = lambda path: False
) -> Iterator[Path]:
    """Every file in a folder that can be linted, sorted; no folder link is followed."""
    for here, folders, files in os.walk(folder):
        parent = Path(here)
        folders[:] = sorted(
            name
            for name in folders
            if not _is_left_out(parent / name) and not excluded(parent / name)
        )
        for name in sorted(files):
            path = parent / name
            if _is_lintable(path) and path.exists() and not excluded(path):
                yield path


def _is_left_out(folder: Path) -> bool:
    return folder.name in _USUALLY_EXCLUDED or (folder / "pyvenv.cfg").is_file()


def _is_lintable(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(SOURCE + NOTEBOOK + MODEL) and not name.endswith(WEIGHTS_ONLY)


def each_once(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, without those of a file that came before."""
    seen = set()
    for path in paths:
        if (real := os.path.realpath(path)) not in seen:
            seen.add(real)
            yield path
