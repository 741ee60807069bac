"""BN001: a target could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.unread import Unread


class Unreadable(Rule):
    """A file, or a cell of a notebook, could not be read, so it was not checked.

    ## What it does
    Reports a damaged or missing file, source that is not valid Python 3, and a
    notebook that is not valid JSON. The run goes on with the other targets, and with
    the other cells of a notebook. This rule is on whatever is selected; only
    `--ignore BN001` silences it.

    ## Why is this bad
    Nothing in an unread file or cell was checked, whatever it contains.
    """

    code = "BN001"
    name = "unreadable"
    severity = Severity.ERROR
    bad = 'print "Python 2"\n'
    good = 'print("Python 3")\n'

    def check_unread(self, problem: Unread) -> Iterator[Finding]:
        """Report every target that should have been readable."""
        if problem.code == self.code:
            yield self.finding(problem.reason, problem.location)
