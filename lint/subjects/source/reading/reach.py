"""The files that a module's names may lead to, as texts.

A rule that can only fire where some word is asks here before it follows any name. The
files are not parsed but searched, and rather too many of them than too few.
"""

from __future__ import annotations

import os
from copy import copy
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING

from .import_statements import imports_of
from .imports import is_outside
from .limits import FILES_REACHED
from .memo import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .module import Module
    from .module_files import ModuleFiles
    from .project_texts import ProjectTexts


def may_reach(module: Module, sign: Callable[[str], bool]) -> bool:
    """Whether the module's text has the sign, or one that its imports may lead to."""
    if sign(module.text):
        return True
    texts = module.project.texts
    for number, path in enumerate(copy(_way_from(module))):
        if number == FILES_REACHED or texts.shows(path, sign):
            return True
    return False


@remembered
def _way_from(module: Module) -> Iterator[Path]:
    """The files that the module's imports lead to; its copies find each file once."""
    (way,) = tee(_led_to(module), 1)
    return way


def _led_to(module: Module) -> Iterator[Path]:
    reach = module.project.reach
    found: set[Path] = set()
    pending = reach.imported(module.path, module.text)
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            yield path
            pending += reach.of(path)


class Reach:
    """The files of a project that other files import."""

    def __init__(self, files: ModuleFiles, texts: ProjectTexts):
        self._files = files
        self._texts = texts
        self._imported: dict[Path, list[Path]] = {}
        self._led_to: dict[Path, frozenset[Path]] = {}

    def led_to(self, path: Path) -> frozenset[Path]:
        """The files that a file may lead to by imports, itself among them.

        They are resolved. If there are very many, some are left out.
        """
        if path not in self._led_to:
            found: dict[Path, None] = {}  # in their order
            pending = [path]
            while pending and len(found) < FILES_REACHED:
                current = pending.pop(0)
                real = current.resolve()
                if real not in found:
                    found[real] = None
                    pending += self.of(current)
            self._led_to[path] = frozenset(found)
        return self._led_to[path]

    def of(self, path: Path) -> list[Path]:
        """The files that a file may import."""
        if path not in self._imported:
            self._imported[path] = self.imported(path, self._texts.read(path))
        return self._imported[path]

    def imported(self, path: Path, text: str) -> list[Path]:
        """The files that a text may import which is in the file `path`."""
        found: list[Path] = []
        folder = path.parent
        for package, names in imports_of(text):
            if is_outside(package):
                continue
            # Any name that it does not bind may be a module of the package.
            is_whole = not names or "*" in names
            places = self._files.named(folder, package)
            for place in places:
                found += _files_in(place, is_whole)
            if is_whole or not (package.endswith(".") or any(map(_folder_of, places))):
                continue
            dot = "" if package.endswith(".") else "."
            for name in names:
                for place in self._files.named(folder, f"{package}{dot}{name}"):
                    found += _files_in(place, is_whole=True)
        return found


def _folder_of(place: Path) -> Path | None:
    """The folder of a package, given by its own file or as that folder."""
    if place.suffix != ".py":
        return place
    return place.parent if place.name == "__init__.py" else None


def _files_in(place: Path, is_whole: bool) -> Iterator[Path]:
    """A module's file; the files of a package, if attributes may lead to each."""
    folder = _folder_of(place)
    if folder is not None and is_whole:
        inside = (
            Path(os.path.join(current, name))  # noqa: PTH118 - in half the time
            for current, _, files in os.walk(folder)
            for name in files
            if name.endswith(".py")
        )
        yield from islice(inside, FILES_REACHED + 1)
    elif folder != place:
        yield place
