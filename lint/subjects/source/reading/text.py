"""The text of one module or notebook: its lines, its words, and places in it."""

from __future__ import annotations

import io
import os
import re
import tokenize
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....findings import Location
from . import hints

if TYPE_CHECKING:
    import ast
    from tokenize import TokenInfo

    from ...unread import Unread
    from .signs import Sign


_TEST_CODE = re.compile(
    r"^[ \t]*(?:def test_?\w*\(|class \w+\([^)]*\bTestCase\b)|\bpytest\.fixture\b",
    re.MULTILINE,
)
# A comment, or a string of each kind of quotes. A group around one of them would make
# the search twice as long, as it then tries all of them at each character.
_QUIET = re.compile(
    r"""\#[^\n]*
    |'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''
    |\"\"\"[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"\"\"
    |'[^'\\\n]*(?:\\.[^'\\\n]*)*'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"
    """,
    re.VERBOSE | re.DOTALL,
)
# A string that is a key, a name of a variable or the like.
_KEY = re.compile(r"""['"][\w/:]*['"]""")


class CellPlace(NamedTuple):
    """A notebook's cell: its first line in the whole text, and its indentation."""

    first: int
    indent: int


class Text:
    """The text of a module.

    Args:
        path: the file.
        text: its text; for a notebook the code of all cells, one after another.
        cells: for a notebook, where each of its code cells is in `text`.
        unread: the cells that are not Python.
        parsed: the text that was parsed, if these are blank in it.
    """

    def __init__(
        self,
        path: Path,
        text: str,
        cells: tuple[CellPlace, ...] = (),
        unread: tuple[Unread, ...] = (),
        parsed: str | None = None,
    ):
        self.path = path
        self.text = text
        self.cells = cells
        self.unread = unread
        self._parsed = text if parsed is None else parsed
        self._matched: dict[re.Pattern[str] | Sign, bool] = {}

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines, without their ends."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    @cached_property
    def tokens(self) -> list[TokenInfo]:
        """The tokens; the parser took the text, so at most the very end is lost."""
        found: list[TokenInfo] = []
        with suppress(tokenize.TokenError, SyntaxError):
            found.extend(tokenize.generate_tokens(io.StringIO(self._parsed).readline))
        return found

    @cached_property
    def code(self) -> str:
        """The text without comments and without strings, but for single words."""
        return without_comments(self._parsed)

    def mentions(self, *words: str) -> bool:
        """Whether the code has one of the words: a quick look before a search."""
        return any(word in self.text and word in self.code for word in words)

    def matches(self, pattern: re.Pattern[str] | Sign) -> bool:
        """Whether the pattern is found in the code."""
        if pattern not in self._matched:
            found = pattern.search(self.text) and pattern.search(self.code)
            self._matched[pattern] = found is not None
        return self._matched[pattern]

    def may_hide(self, *words: str) -> bool:
        """Whether one of the words is in a cell that is not read."""
        pairs = zip(self.lines, self._parsed.split("\n"), strict=False)
        return bool(self.unread) and any(
            word in line for line, read in pairs if not read for word in words
        )

    @cached_property
    def real_path(self) -> Path:
        """The file without symbolic links, equal for all ways that lead to it."""
        return Path(os.path.realpath(self.path))

    @cached_property
    def is_test(self) -> bool:
        """Whether the file holds tests, by its name and by what is in it."""
        named = hints.is_test(self.path.stem) or self.path.stem == "conftest"
        return named and _TEST_CODE.search(self.text) is not None

    @property
    def imported_as(self) -> str:
        """The last word of the dotted name that import statements know it by."""
        is_package = self.path.stem == "__init__"
        return self.path.parent.name if is_package else self.path.stem

    def location(self, node: ast.AST) -> Location:
        """Return where a node is, in lines and characters counted from 1."""
        return self.place(self.start(node), self.end(node))

    def start(self, node: ast.AST) -> tuple[int, int]:
        """The line and the character in the whole text that a node begins with."""
        line = getattr(node, "lineno", 1)
        return line, self._column(line, getattr(node, "col_offset", 0))

    def end(self, node: ast.AST) -> tuple[int, int]:
        """The line and the character that come right after a node."""
        line = getattr(node, "end_lineno", None) or getattr(node, "lineno", 1)
        assert line is not None
        return line, self._column(line, getattr(node, "end_col_offset", 0) or 0)

    def place(self, start: tuple[int, int], end: tuple[int, int]) -> Location:
        """Return the location of a stretch, with lines and columns counted from 1."""
        line, column = start
        end_line, end_column = end
        cell, before, shift = self._cell(line)
        return Location(
            path=str(self.path),
            line=line - before,
            column=column + shift,
            end_line=end_line - before,
            end_column=end_column + shift,
            cell=cell,
        )

    def header(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Location:
        """Return where a function's `def` and name are, without its body."""
        place = self.location(node)
        word = "def " if type(node).__name__ == "FunctionDef" else "async def "
        column = (place.column or 1) + len(word + node.name)
        return replace(place, end_line=place.line, end_column=column)

    def _column(self, line: int, offset: int) -> int:
        """Characters, from 1, where `ast` counts bytes of UTF-8 from 0."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        if text.isascii():
            return offset + 1
        return len(text.encode()[:offset].decode(errors="replace")) + 1

    def _cell(self, line: int) -> tuple[int | None, int, int]:
        """The cell that a line is in, the lines before that cell, and its indent."""
        if not self.cells:
            return None, 0, 0
        number = max(1, sum(cell.first <= line for cell in self.cells))
        cell = self.cells[number - 1]
        return number, cell.first - 1, cell.indent


@lru_cache(maxsize=2)  # several questions in a row are about one text
def without_comments(text: str) -> str:
    """Code alone: comments and strings are blank, but for strings that are a word."""
    return _QUIET.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "#":
        return ""
    return found if _KEY.fullmatch(found) else "''" + "\n" * found.count("\n")
