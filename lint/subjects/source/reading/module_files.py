"""The files that the dotted names of import statements stand for, found unread."""

# ruff: noqa: PTH118, PTH112, PTH113, PTH208 - paths take ten times as long

from __future__ import annotations

import os
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ModuleFiles:
    """The modules below a folder, by the names that others import them by.

    It asks for each name of each file, hence texts in place of paths.
    """

    def __init__(self, root: Path):
        self._root = root
        self._inside = os.path.join(root, "")
        self._starts: dict[tuple[Path, int], list[tuple[str, frozenset[str]]]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._named: dict[tuple[Path, str], tuple[Path, ...]] = {}

    def owns(self, path: Path) -> bool:
        """Whether a path, which must be resolved, is the root or below it."""
        return f"{path}{os.sep}".startswith(self._inside)

    def named(self, folder: Path, dotted: str) -> tuple[Path, ...]:
        """The files that `dotted` may mean to a file in `folder`, likeliest first.

        A package without a file of its own is given as its folder.
        """
        key = folder, dotted
        if key not in self._named:
            self._named[key] = tuple(self._find(folder, dotted))
        return self._named[key]

    def _find(self, folder: Path, dotted: str) -> Iterator[Path]:
        name = dotted.lstrip(".")
        level = len(dotted) - len(name)
        parts = name.split(".") if name else []
        if not all(part.isidentifier() for part in parts):
            return
        is_missing = not level and self._is_package_of(parts)
        for start, names in self._starts_from(folder, level):
            if not parts or parts[0] in names or f"{parts[0]}.py" in names:
                for place in self._below(start, parts):
                    is_missing = False
                    yield place
        if is_missing:
            yield from self._below(str(self._root), parts[1:])

    def _is_package_of(self, parts: list[str]) -> bool:
        """Whether the root is a package itself, imported by its name: `net` in `net-1`.

        Its name may have got a suffix when it was cloned or downloaded.
        """
        is_named = parts[:1] == [self._root.name.partition("-")[0]]
        return is_named and "__init__.py" in self._names_in(str(self._root))

    def _below(self, start: str, parts: list[str]) -> Iterator[Path]:
        if not parts:
            yield from _file(start, "__init__.py")
            return
        *around, name = parts
        folder = os.path.join(start, *around)
        names = self._names_in(folder)
        found = _file(folder, f"{name}.py") if f"{name}.py" in names else ()
        if not found and name in names:
            target = os.path.join(folder, name)
            found = _file(target, "__init__.py")
            if not found and os.path.isdir(target):
                real = Path(target).resolve()
                found = (Path(target),) if self.owns(real) else ()
        yield from found

    def _starts_from(
        self, folder: Path, level: int
    ) -> list[tuple[str, frozenset[str]]]:
        """The folders in which an import starts to search, and what is in them."""
        key = folder, level
        if key not in self._starts:
            found = map(str, self._find_starts(folder.resolve(), level))
            self._starts[key] = [
                (candidate, self._names_in(candidate)) for candidate in found
            ]
        return self._starts[key]

    def _find_starts(self, folder: Path, level: int) -> list[Path]:
        if level:
            for _ in range(level - 1):
                folder = folder.parent
            return [folder]
        inside = takewhile(self.owns, (folder, *folder.parents))
        return [*inside, *(self._root / name for name in ("src", "lib", "python"))]

    def _names_in(self, folder: str) -> frozenset[str]:
        """What a folder holds."""
        if folder not in self._names:
            found: list[str] = []
            with suppress(OSError):
                found = os.listdir(folder)
            self._names[folder] = frozenset(found)
        return self._names[folder]


def _file(folder: str, name: str) -> tuple[Path, ...]:
    """The file of that name, if there is one."""
    path = os.path.join(folder, name)
    return (Path(path),) if os.path.isfile(path) else ()
