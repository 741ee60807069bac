"""Patterns of paths, written as in `.gitignore`.

`pathspec` reads them; it is loaded only if there is a pattern.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pathspec import GitIgnoreSpec


class Patterns:
    """Patterns that are relative to a folder.

    A pattern without a slash, except at its end, matches files and folders of that name
    at any depth; others are relative to the folder. `!pattern` takes back what patterns
    before it match. The last one that matches decides.

    Args:
        lines: the patterns.
        folder: the folder they are relative to; outside it only names are matched.
    """

    def __init__(self, lines: Iterable[str], folder: Path) -> None:
        # Git does not know `./`, which people write nevertheless.
        self._lines = [line.removeprefix("./") for line in lines]
        self._folder = os.path.abspath(folder)  # noqa: PTH100 - links stay

    def match(self, path: Path, *, is_folder: bool = False) -> bool | None:
        """Match a path: True, False if taken back, None if not mentioned."""
        if not self._lines:
            return None
        inside = relative(path, self._folder)
        return self._spec.check_file(inside + "/" * is_folder).include

    def match_within(self, path: Path, *, is_folder: bool = False) -> bool | None:
        """Match a path or a folder around it."""
        if not self._lines:
            return None
        folders = relative(path, self._folder).split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            folder = "/".join(folders[:depth])
            if self._spec.check_file(f"{folder}/").include:
                return True
        return self.match(path, is_folder=is_folder)

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec

        return GitIgnoreSpec.from_lines(self._lines)


def relative(path: Path, folder: str | Path) -> str:
    """Return a path relative to a folder, with `/`; only its name if outside."""
    try:
        inside = os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # On another drive.
        return path.name
    return path.name if inside == ".." or inside.startswith("../") else inside
