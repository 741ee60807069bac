"""BN003: a file in a format that holds too little to check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Finding, Location, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.unread import Unread


class UnsupportedFormat(Rule):
    """A file is in a format that cannot be checked.

    ## What it does
    Reports a target that is not a Python source file, notebook, `.keras` or whole-model
    `.h5` file: an exported SavedModel, a LiteRT or ONNX model, a file of weights
    alone without batch normalization among them. In a folder, such files are skipped.

    ## Why is this bad
    Such a file holds neither the momentum nor the calls of the layers, so nothing was
    checked.
    """

    code = "BN003"
    name = "unsupported-format"
    severity = Severity.INFO
    bad = 'model.export("exported")\n'
    good = 'model.save("model.keras")\n'

    def check_unread(self, problem: Unread) -> Iterator[Finding]:
        """Report every target in an unsupported format."""
        if problem.code == self.code:
            yield self.finding(problem.reason, Location(problem.path))
