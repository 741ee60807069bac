"""BN004: a comment silences a rule that finds nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Edit, Finding, Fix, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.source import Module
    from ..suppression import Suppression


class UnusedSuppression(Rule):
    """A comment silences a model-lint rule that finds nothing there.

    ## What it does
    Reports `# noqa: BN201`, `# model-lint: ignore[BN201]` and the like, where the rule
    ran and found nothing. Codes of other linters, bare comments, and rules that were
    not selected are left alone.

    ## Why is this bad
    A comment that silences nothing now will silence the next mistake on that line. It
    also makes readers think that correct code is wrong.

    ## Fix
    Removes the code, and the whole comment with its last code.
    """

    code = "BN004"
    name = "unused-suppression"
    severity = Severity.WARNING
    default = False
    bad = """\
import keras

bn = keras.layers.BatchNormalization(momentum=0.9)  # noqa: BN201
"""
    good = """\
import keras

bn = keras.layers.BatchNormalization(momentum=0.9)
"""

    def check_suppressions(
        self, module: Module, unused: list[Suppression]
    ) -> Iterator[Finding]:
        """Report every selector that silenced nothing."""
        for suppression in unused:
            yield self.finding(
                f"nothing is silenced by {suppression.selector} here",
                module.place(
                    (suppression.line, suppression.start),
                    (suppression.line, suppression.end),
                ),
                fix=Fix((_removal(module, suppression, unused),)),
            )


def _removal(
    module: Module, suppression: Suppression, unused: list[Suppression]
) -> Edit:
    """Remove the whole comment if no selector in it is used, else this selector."""
    line = module.lines[suppression.line - 1]
    first, last = suppression.comment
    inside = line[first - 1 : last - 1]
    separators = inside.count(",") + 1
    same = [
        comment
        for comment in unused
        if comment.line == suppression.line and comment.comment == suppression.comment
    ]
    if len(same) == separators:
        start, end = first, last
        while start > 1 and line[start - 2] in " \t":
            start -= 1
    else:
        start, end = suppression.start, suppression.end
        while end <= len(line) and line[end - 1] in ", ":
            end += 1
        if end >= last:  # The last of several: the comma before it goes.
            end = suppression.end
            while line[start - 2] in ", ":
                start -= 1
    place = module.place((suppression.line, start), (suppression.line, end))
    return Edit(place, "")
