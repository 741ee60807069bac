"""One Python module or notebook, parsed, with what rules ask of its text."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ...findings import Location
from .frozen import Freezes
from .members import Members
from .scopes import Function, Scopes, last_word
from .worlds import backend_of, world_of

if TYPE_CHECKING:
    from pathlib import Path
    from tokenize import TokenInfo

    from ...semantics import World
    from ..unread import Unread
    from .project import Project
    from .values import Value


_TEST_NAME = re.compile(r"test_\w+|\w+_test|conftest")
_TEST_CODE = re.compile(
    r"^[ \t]*(?:def test_?\w*\(|class \w+\([^)]*\bTestCase\b)|\bpytest\.fixture\b",
    re.MULTILINE,
)


class CellPlace(NamedTuple):
    """A notebook's cell: its first line in the whole text, and its indentation."""

    first: int
    indent: int


class Module:
    """A parsed module.

    Args:
        path: the file.
        text: its text; for a notebook the code of all cells, one after another.
        tree: the syntax tree of that text.
        project: what its imports are looked up in.
        keras_version: the version that the user named, if any.
        cells: for a notebook, where each of its code cells is in `text`.
        unread: the cells that are not Python; the tree has nothing of them.
        code: the text that was parsed, if these are blank in it.
    """

    def __init__(
        self,
        path: Path,
        text: str,
        tree: ast.Module,
        project: Project,
        *,
        keras_version: str | None = None,
        cells: tuple[CellPlace, ...] = (),
        unread: tuple[Unread, ...] = (),
        code: str | None = None,
    ):
        self.path = path
        self.text = text
        self.tree = tree
        self.project = project
        self.keras_version = keras_version
        self.cells = cells
        self.unread = unread
        self._code = text if code is None else code
        self.known_values: dict[ast.AST, tuple[Value, ...]] = {}
        self.known_origins: dict[ast.AST, bool | None] = {}
        self.answers: dict[object, tuple[Any, ...]] = {}
        self._members: dict[ast.ClassDef, Members] = {}
        self._returns: dict[ast.AST, list[ast.expr]] = {}

    @cached_property
    def scopes(self) -> Scopes:
        """Parents, scopes and bindings."""
        return Scopes(self.tree)

    @property
    def imported_as(self) -> str:
        """The last word of the dotted name that import statements know it by."""
        is_package = self.path.stem == "__init__"
        return self.path.parent.name if is_package else self.path.stem

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines, without their ends."""
        return re.split(r"\r\n|\r|\n", self.text)

    @cached_property
    def tokens(self) -> list[TokenInfo]:
        """The tokens; the parser took the text, so at most the very end is lost."""
        found: list[TokenInfo] = []
        with suppress(tokenize.TokenError, SyntaxError):
            found.extend(tokenize.generate_tokens(io.StringIO(self._code).readline))
        return found

    def may_hide(self, *words: str) -> bool:
        """Whether one of the words is in a cell that is not read."""
        pairs = zip(self.lines, self._code.split("\n"), strict=False)
        return bool(self.unread) and any(
            word in line for line, read in pairs if not read for word in words
        )

    def mentions(self, *words: str) -> bool:
        """Whether the text has one of the words: a quick look before a search."""
        return any(word in self.text for word in words)

    @cached_property
    def is_test(self) -> bool:
        """Whether the file holds tests, by its name and by what is in it."""
        named = _TEST_NAME.fullmatch(self.path.stem) is not None
        return named and _TEST_CODE.search(self.text) is not None

    @cached_property
    def world(self) -> World:
        """Which Keras the module is written for."""
        return world_of(self.keras_version, self.text, self.project.requirements)

    @cached_property
    def backend(self) -> str | None:
        """What it runs Keras on, where it says so."""
        return backend_of(self.text)

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call, in the order of the text."""
        found = [each for each in self.scopes.nodes if isinstance(each, ast.Call)]
        return sorted(found, key=lambda call: (call.lineno, call.col_offset))

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """Every class, in the order of the text."""
        found = [each for each in self.scopes.nodes if isinstance(each, ast.ClassDef)]
        return sorted(found, key=lambda each: each.lineno)

    @cached_property
    def freezes(self) -> Freezes:
        """What it freezes."""
        return Freezes(self)

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """Calls by the last word of what is called."""
        index: dict[str, list[ast.Call]] = {}
        for call in self.calls:
            index.setdefault(last_word(call.func), []).append(call)
        return index

    @cached_property
    def entries(self) -> dict[str, list[ast.Assign | ast.Call]]:
        """What puts an entry into a dict, by its name: `kw[...] =`, `kw.update()`."""
        index: dict[str, list[ast.Assign | ast.Call]] = {}
        for node in self.scopes.nodes:
            match node:
                case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name))]):
                    index.setdefault(name, []).append(node)
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="update")
                ):
                    index.setdefault(name, []).append(node)
        return index

    def members(self, node: ast.ClassDef) -> Members:
        """The members of one of its classes."""
        if node not in self._members:
            self._members[node] = Members(node)
        return self._members[node]

    def owner_of(self, function: ast.AST) -> ast.ClassDef | None:
        """The class whose method a function is."""
        parent = self.scopes.parents.get(function)
        return parent if isinstance(parent, ast.ClassDef) else None

    def returns_of(self, function: Function) -> list[ast.expr]:
        """The expressions a function returns or yields."""
        if function not in self._returns:
            self._returns[function] = _returns(function)
        return self._returns[function]

    def location(self, node: ast.AST) -> Location:
        """Where a node is, in lines and characters that count from 1."""
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
        """Where a stretch of the text is, whose lines and columns count from 1."""
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
        """Where a function's `def` and name are, without its body."""
        place = self.location(node)
        word = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
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


def _returns(function: Function) -> list[ast.expr]:
    if isinstance(function, ast.Lambda):
        return [function.body]
    found: list[ast.expr] = []
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            found.append(node.value)
        pending += ast.iter_child_nodes(node)
    return found
