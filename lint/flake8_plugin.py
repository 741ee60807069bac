"""The rules as a plugin of flake8, for repositories that already use flake8.

flake8 has no severities, so findings below the setting `fail-on` are not reported.
https://flake8.pycqa.org/en/latest/plugin-development/plugin-parameters.html
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import config_for
from .findings import Severity
from .linter import Linter

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

    from .config import Config


class Plugin:
    """A check of one file.

    Args:
        tree: its syntax tree, which flake8 passes to plugins of this kind.
        filename: its name; `-` or `stdin` for text without one.
        lines: its lines, including line ends.
    """

    name = "model-lint"
    version = version("kerasbn")

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        nameless = filename in ("-", "stdin")
        self._path = Path("stdin.py" if nameless else filename)
        self._data = "".join(lines).encode("utf-8", "surrogatepass")

    def run(self) -> Iterator[tuple[int, int, str, type[Any]]]:
        """Yield line, column from 0, text and this class, for each finding."""
        config, linter = _linter(self._path.parent.absolute())
        if config.fail_on == "never":
            return
        least = Severity(config.fail_on)
        for finding in linter.check_file(self._path, self._data).findings:
            if finding.severity.at_least(least):
                column = (finding.column or 1) - 1
                text = f"{finding.code} {finding.message}"
                yield finding.line or 1, column, text, type(self)


@cache
def _linter(folder: Path) -> tuple[Config, Linter]:
    """Return the settings of a folder, and a linter that caches imported files."""
    config = config_for([str(folder)])
    return config, Linter(config)
