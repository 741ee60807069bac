"""A Python module or notebook, parsed: its text, its tree and its scopes.

Every other question about a module has a file of its own, and keeps its answer in
`answers`.
"""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .nodes import last_word
from .scopes import Scopes
from .text import CellPlace, Text

if TYPE_CHECKING:
    from pathlib import Path

    from ...unread import Unread
    from .project import Project


class Module(Text):
    """A parsed module.

    Args:
        path: the file.
        text: its text; for a notebook the code of all cells, one after another.
        tree: the syntax tree of that text.
        project: what its imports are looked up in.
        keras_version: the version that the user named, if any.
        cells: for a notebook, where each of its code cells is in `text`.
        unread: the cells that are not Python; the tree has nothing of them.
        parsed: the text that was parsed, if these are blank in it.

    Attributes:
        answers: what has been found out about it; the key begins with the question.
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
        parsed: str | None = None,
    ):
        super().__init__(path, text, cells, unread, parsed)
        self.tree = tree
        self.project = project
        self.keras_version = keras_version
        self.answers: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def scopes(self) -> Scopes:
        """Parents, scopes and bindings."""
        return Scopes(self.tree)

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call, in the order of the text."""
        return sorted(
            self.scopes.of(ast.Call), key=lambda call: (call.lineno, call.col_offset)
        )

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """Every class, in the order of the text."""
        return sorted(self.scopes.of(ast.ClassDef), key=lambda node: node.lineno)

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """Calls by the last word of what is called."""
        index: dict[str, list[ast.Call]] = {}
        for call in self.calls:
            index.setdefault(last_word(call.func), []).append(call)
        return index

    def owner_of(self, function: ast.AST) -> ast.ClassDef | None:
        """The class whose method a function is."""
        parent = self.scopes.parents.get(function)
        return parent if isinstance(parent, ast.ClassDef) else None
