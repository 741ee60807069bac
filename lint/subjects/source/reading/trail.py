"""The trail being followed: guards against cycles and endless searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .limits import NESTING, STEPS

if TYPE_CHECKING:
    import ast


class Trail:
    """The expressions on the way from a question to the current one."""

    def __init__(self) -> None:
        self._open: set[ast.AST] = set()
        self._steps = 0
        self._incomplete = False

    @property
    def is_idle(self) -> bool:
        """Whether no question is being followed."""
        return not self._open

    def enter(self, node: ast.AST) -> bool:
        """Step into a node; False where that leads into a cycle or too far."""
        if not self._open:
            self._steps, self._incomplete = 0, False
        self._steps += 1
        if node in self._open or len(self._open) >= NESTING or self._steps > STEPS:
            self._incomplete = True
            return False
        self._open.add(node)
        return True

    def leave(self, node: ast.AST) -> bool:
        """Step out; True if what was found there is complete and may be kept.

        A result cut short by a cycle is only right for the node that was asked about.
        """
        self._open.discard(node)
        return not self._open or not self._incomplete
