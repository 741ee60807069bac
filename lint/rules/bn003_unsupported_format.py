"""BN003: a file of a format that holds too little to check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Finding, Location, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.unread import Unread


class UnsupportedFormat(Rule):
    """A file is of a format that cannot be checked.

    ## What it does
    Reports a target that is no Python source, notebook, `.keras` or whole-model
    `.h5` file: an exported SavedModel, a LiteRT or ONNX model, a file that holds
    weights alone. In a folder such files are passed over.

    ## Why is this bad
    Such a file has neither the momentum nor the calls of the layers, so nothing was
    checked.
    """

    code = "BN003"
    name = "unsupported-format"
    severity = Severity.INFO
    bad = 'model.export("exported")\n'
    good = 'model.save("model.keras")\n'

    def check_unread(self, problem: Unread) -> Iterator[Finding]:
        """Every target of a format that is not supported."""
        if problem.code == self.code:
            yield self.finding(problem.reason, Location(problem.path))
