"""The way of a search through networks: what it has seen, and how far it may go."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..reading.limits import LAYERS_VISITED, NESTING
from ..reading.nodes import ScopeNode
from ..resolving.switches import is_certain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Class
    from ..resolving.runs import Run

Kinds = frozenset[str]  # of layers that depend on the phase
NOTHING: Kinds = frozenset()


class Search:
    """A search for one question.

    Attributes:
        surely: whether it leaves out what only one of several alternatives holds.
        run: the call that runs the function it is in, if its result depends on that.
        instance: the class that it is in, if that has bases in the project, too.
        visited: what it has seen, each with the run in which it saw it.
        depth: how many expressions lead to where it is.
    """

    def __init__(self, surely: bool) -> None:
        self.surely = surely
        self.run: Run | None = None
        self.instance: Class | None = None
        self.visited: set[object] = set()
        self.depth = 0
        self._visits = 0

    def enter(self, node: object) -> bool:
        """Whether to go into a node, which it then has seen."""
        too_far = self._visits > LAYERS_VISITED or self.depth > NESTING
        mark = (node, None if self.run is None else self.run.key, self.instance)
        if too_far or mark in self.visited:
            return False
        self._visits += 1
        self.visited.add(mark)
        return True

    @contextmanager
    def running(self, run: Run | None) -> Iterator[None]:
        """Search as if run by that call; None changes nothing."""
        before = self.run
        self.run = run or before
        yield
        self.run = before

    def is_optional(
        self, module: Module, node: ast.AST, use: ast.AST | None = None
    ) -> bool:
        """Whether only an `if` leads there, where it must be sure."""
        if not self.surely:
            return False
        around = set(module.scopes.ancestors(use)) if use is not None else set()
        for outer in module.scopes.ancestors(node):
            if isinstance(outer, ScopeNode) or outer in around:
                return False
            if isinstance(outer, ast.If):
                return not is_certain(module, node, self.run)
        return False
