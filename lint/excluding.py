"""Exclusion of files, with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .gitignore import GitIgnore
from .patterns import Patterns, relative

if TYPE_CHECKING:
    from .config import Config

# Folders of tools, environments and build products, which are not linted.
USUALLY_EXCLUDED = frozenset(
    (
        *(".bzr", ".git", ".hg", ".svn"),
        *(".direnv", ".eggs", ".nox", ".pixi", ".tox", ".venv", "venv"),
        *(".mypy_cache", ".pytest_cache", ".pytype", ".ruff_cache", "__pycache__"),
        *(".idea", ".ipynb_checkpoints", ".vscode"),
        *("__pypackages__", "_build", "build", "dist", "node_modules"),
        "site-packages",
    )
)


class Exclusion:
    """A decision for each path according to the settings, with a record.

    Attributes:
        passed_over: path -> the reason, for files and folders that were skipped.
    """

    def __init__(self, config: Config) -> None:
        self._root = config.root
        lines = (*config.exclude, *config.extend_exclude)
        self._patterns = Patterns(lines, config.root)
        self._gitignore = GitIgnore() if config.respect_gitignore else None
        self.passed_over: dict[Path, str] = {}

    def leaves_out(self, path: Path, *, is_folder: bool) -> bool:
        """Whether a path is skipped, given that its folder is not."""
        verdict = self._patterns.match(path, is_folder=is_folder)
        if verdict and self._patterns.match(path.parent, is_folder=True):
            verdict = None  # The folder was named explicitly.
        usual = is_folder and path.name in USUALLY_EXCLUDED
        reason = self._reason(path, is_folder, verdict, usual, named=False)
        if verdict is None and is_folder and (path / "pyvenv.cfg").is_file():
            reason = "a virtual environment"
        return self._remember(path, reason)

    def leaves_out_named(self, path: Path, *, is_folder: bool) -> bool:
        """Whether `force-exclude` skips a named file.

        A decision about a folder applies to everything in it.
        """
        verdict = self._patterns.match_within(path, is_folder=is_folder)
        folders = Path(relative(path, self._root)).parts[: None if is_folder else -1]
        usual = not USUALLY_EXCLUDED.isdisjoint(folders)
        reason = self._reason(path, is_folder, verdict, usual, named=True)
        return self._remember(path, reason)

    def _reason(
        self,
        path: Path,
        is_folder: bool,
        verdict: bool | None,
        usual: bool,
        *,
        named: bool,
    ) -> str | None:
        """Return the reason for skipping it; the settings' own patterns come first."""
        if verdict is not None:
            return "exclude" if verdict else None
        if usual:
            return "a folder of tools or products"
        git = self._gitignore
        if git is None or not git.ignores(path, is_folder=is_folder):
            return None
        # A folder that git ignores is still searched if it was named.
        if not named and git.ignores(path.parent, is_folder=True):
            return None
        return ".gitignore"

    def _remember(self, path: Path, reason: str | None) -> bool:
        if reason is not None:
            self.passed_over[path] = reason
        return reason is not None
