"""A target that could not be read, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ..findings import Location


@dataclass(frozen=True)
class Unread:
    """A target that could not be read, as the rules see it.

    Attributes:
        path: the target.
        reason: what is wrong and what to do, in whole sentences.
        line: the line of the problem in a text, from 1; None in a model.
        column: likewise.
        cell: likewise, in a notebook.
        supported: False if the target is intact but its format holds too little.
    """

    path: str
    reason: str
    line: int | None = None
    column: int | None = None
    cell: int | None = None
    supported: bool = True

    @property
    def location(self) -> Location:
        """The place of the problem."""
        return Location(self.path, self.line, self.column, cell=self.cell)

    @property
    def code(self) -> str:
        """The rule that reports it."""
        return "BN001" if self.supported else "BN003"


class UnreadError(Exception):
    """Raised while a target is opened, or later when its arrays are read."""

    def __init__(self, problem: Unread) -> None:
        super().__init__(problem.reason)
        self.problem = problem
