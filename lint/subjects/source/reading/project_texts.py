"""The files of a project as texts: which of them name something, found unparsed."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...notebook import read_cells
from .import_statements import imports_of
from .limits import FILES_SEARCHED, SOURCE_BYTES
from .regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SOURCES = (".py", ".ipynb")
# Without `\b`, which takes three times as long: what ends in a class may be one.
_CAPITALISED = re.compile(r"[A-Z]\w*")
# Folders of third-party code.
FOREIGN = re.compile(r"\.|__|(site-packages|node_modules|build|dist|v?env)$")


class ProjectTexts:
    """The texts of all source files below a folder; none if there are too many."""

    def __init__(self, root: Path):
        self._root = root
        self._texts: dict[Path, str] = {}
        self._words: dict[Path, frozenset[str]] = {}
        self._with_sign: dict[Callable[[str], bool], list[Path]] = {}
        self._shown: dict[tuple[Path, Callable[[str], bool]], bool] = {}

    @cached_property
    def by_path(self) -> dict[Path, str]:
        """Each file's text; of a notebook, its code."""
        paths: list[Path] = []
        for folder, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if not FOREIGN.match(name)]
            paths += [Path(folder) / file for file in files if file.endswith(_SOURCES)]
            if len(paths) > FILES_SEARCHED:
                return {}
        return {path: self.read(path) for path in sorted(paths)}

    @cached_property
    def _real_paths(self) -> dict[Path, str]:
        return {path: os.path.realpath(path) for path in self.by_path}

    def beside(self, real_path: Path) -> Iterator[tuple[Path, str]]:
        """Yield the files but for one, which may be there by links as well."""
        here = str(real_path)
        for path, text in self.by_path.items():
            if self._real_paths[path] != here:
                yield path, text

    def read(self, path: Path) -> str:
        """The text of one file; nothing if it cannot be read."""
        if path not in self._texts:
            self._texts[path] = _text_of(path)
        return self._texts[path]

    def shows(self, path: Path, sign: Callable[[str], bool]) -> bool:
        """Whether the text of a file has a sign."""
        key = path, sign
        if key not in self._shown:
            self._shown[key] = sign(self.read(path))
        return self._shown[key]

    def with_sign(self, sign: Callable[[str], bool]) -> list[Path]:
        """The files whose texts have a sign."""
        if sign not in self._with_sign:
            self._with_sign[sign] = [
                path for path, text in self.by_path.items() if sign(text)
            ]
        return self._with_sign[sign]

    def naming(self, names: Iterable[str], calling: str) -> list[Path]:
        """The files that import one of the names, or name such a class.

        Those without the word `calling` in them are left out.
        """
        return [
            path
            for path, text in self.by_path.items()
            if calling in text
            and any(name in text and name in self.words_of(path) for name in names)
        ]

    def calls(self, path: Path, name: str) -> bool:
        """Whether a file has a call of something of that name, and not only defines it.

        A comment between the name and its bracket is not looked for.
        """
        called = rf"{name}\b(?<!\w{name})(?<!def {name})(?<!class {name})[\s\\)]*\("
        return re.search(called, self.read(path)) is not None

    def words_of(self, path: Path) -> frozenset[str]:
        """What a file imports, and its capitalised words."""
        if path not in self._words:
            text = self.by_path[path]
            words = set(_CAPITALISED.findall(text))
            for package, names in imports_of(text):
                words.update(package.split("."), names)
            self._words[path] = frozenset(words)
        return self._words[path]


def _text_of(path: Path) -> str:
    try:
        data = read_regular(path, SOURCE_BYTES + 1)
        if len(data) > SOURCE_BYTES:
            return ""
        if path.suffix == ".ipynb":  # without its pictures
            return "".join(cell.text for cell in read_cells(data))
        return data.decode(errors="replace")
    except (OSError, ValueError):
        return ""
