"""The folder that is a file's project: what its imports are looked up in."""

# ruff: noqa: PTH110, PTH118 - paths take several times as long

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MARKS = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")
_LARGEST = 1_000  # files; more of them are hardly one project without a mark


class Roots:
    """Projects by their marks, and else by the folders that are linted as a whole.

    Args:
        targets: these folders, which must be resolved.
    """

    def __init__(self, targets: Iterable[Path] = ()) -> None:
        # The outermost of them first.
        self._targets = sorted(targets)
        self._found: dict[Path, Path] = {}
        self._whole: dict[Path, bool] = {}

    def of(self, folder: Path) -> Path:
        """The root of the project that the files in a folder belong to.

        That is the nearest folder with the mark of a project. Without one, it is the
        outermost folder in a target that may well be one project; or the folder itself.
        """
        if folder not in self._found:
            self._found[folder] = self._find(folder)
        return self._found[folder]

    def _find(self, folder: Path) -> Path:
        around = (folder, *folder.parents)
        for candidate in around:
            if _is_marked(candidate):
                return candidate
        for target in self._targets:
            if target in around:
                inside = reversed(around[: around.index(target)])
                return next(filter(self._is_whole, (target, *inside)), folder)
        return folder

    def _is_whole(self, folder: Path) -> bool:
        if folder not in self._whole:
            self._whole[folder] = _may_be_one_project(folder)
        return self._whole[folder]


def _is_marked(folder: Path) -> bool:
    return any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS)


def _may_be_one_project(folder: Path) -> bool:
    """Whether it holds neither projects with marks nor very many files."""
    count = 0
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        count += sum(name.endswith((".py", ".ipynb")) for name in files)
        if count > _LARGEST:
            return False
        if here == str(folder) and any(_is_marked(folder / name) for name in folders):
            return False
    return True
