"""Counts of findings by rule."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from .findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .findings import Finding


@dataclass(frozen=True, slots=True)
class Count:
    """The number of findings of one rule.

    Attributes:
        code: the rule's code.
        name: its name.
        severity: the gravest severity among the findings.
        count: the number of findings.
        fixable: how many of them have a fix.
    """

    code: str
    name: str
    severity: Severity
    count: int
    fixable: int


def tally(findings: Iterable[Finding]) -> list[Count]:
    """Count the findings of each rule, the most frequent first."""
    by_code = sorted(findings, key=attrgetter("code"))
    counts = []
    for code, group in groupby(by_code, attrgetter("code")):
        some = list(group)
        gravest = min((finding.severity for finding in some), key=list(Severity).index)
        fixable = sum(finding.fixable for finding in some)
        counts.append(Count(code, some[0].name, gravest, len(some), fixable))
    return sorted(counts, key=lambda count: -count.count)
