"""Files ignored by git: `.gitignore` at every depth, `.git/info/exclude`, the user's.

Ignored files that are tracked are not looked up, as in other linters.
https://git-scm.com/docs/gitignore
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .patterns import Patterns

_EXCLUDES_FILE = re.compile(
    r"^[ \t]*\[core\][^\[]*?^[ \t]*excludesfile[ \t]*=[ \t]*\"?([^\"\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_NONE = Patterns((), Path())
# A pattern file has a few lines; a much larger file is not one.
_LARGEST = 2**20


class GitIgnore:
    """Decisions for any number of repositories; each pattern file is read once."""

    def __init__(self) -> None:
        self._repositories: dict[Path, Path | None] = {}
        self._patterns: dict[Path, Patterns] = {}
        self._ignored_folders: dict[Path, bool] = {}

    def ignores(self, path: Path, *, is_folder: bool = False) -> bool:
        """Whether git ignores a path, or a folder around it."""
        path = Path(os.path.abspath(path))  # noqa: PTH100 - links stay
        repository = self._repository(path.parent)
        if repository is None or (is_folder and (path / ".git").exists()):
            return False
        if path.parent != repository and self._ignores_folder(path.parent):
            return True
        folder = path.parent
        while True:
            verdict = self._in(folder / ".gitignore", folder).match(
                path, is_folder=is_folder
            )
            if verdict is not None:
                return verdict
            if folder == repository:
                break
            folder = folder.parent
        for file in (repository / ".git" / "info" / "exclude", _user_file()):
            verdict = self._in(file, repository).match(path, is_folder=is_folder)
            if verdict is not None:
                return verdict
        return False

    def _ignores_folder(self, folder: Path) -> bool:
        if folder not in self._ignored_folders:
            self._ignored_folders[folder] = self.ignores(folder, is_folder=True)
        return self._ignored_folders[folder]

    def _repository(self, folder: Path) -> Path | None:
        """Return the nearest folder that holds `.git`, this one or one above it."""
        if folder not in self._repositories:
            if (folder / ".git").exists():
                self._repositories[folder] = folder
            elif folder.parent == folder:
                self._repositories[folder] = None
            else:
                self._repositories[folder] = self._repository(folder.parent)
        return self._repositories[folder]

    def _in(self, file: Path, folder: Path) -> Patterns:
        """Return the patterns in a file, which are relative to a folder."""
        if file not in self._patterns:
            self._patterns[file] = _read(file, folder)
        return self._patterns[file]


def _read(file: Path, folder: Path) -> Patterns:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return _NONE
        lines = file.read_text("utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return _NONE
    return Patterns([line.removesuffix("\r") for line in lines], folder)


def _user_file() -> Path:
    """Return the user's own pattern file, for all repositories."""
    home = Path.home()
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    for file in (home / ".gitconfig", settings / "git" / "config"):
        try:
            if not file.is_file():
                continue
            found = _EXCLUDES_FILE.search(file.read_text("utf-8", errors="replace"))
        except OSError:
            continue
        if found is not None:
            return Path(found[1].strip()).expanduser()
    return settings / "git" / "ignore"
