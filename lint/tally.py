"""How often each rule was found."""

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
    """How often one rule was found.

    Attributes:
        code: the rule's code.
        name: its name.
        severity: the gravest severity among the findings.
        count: how many there are.
        fixable: how many of them have a fix.
    """

    code: str
    name: str
    severity: Severity
    count: int
    fixable: int


def tally(findings: Iterable[Finding]) -> list[Count]:
    """One entry for each rule, the most frequent first."""
    by_code = sorted(findings, key=attrgetter("code"))
    counts = []
    for code, group in groupby(by_code, attrgetter("code")):
        some = list(group)
        gravest = min((each.severity for each in some), key=list(Severity).index)
        fixable = sum(each.fixable for each in some)
        counts.append(Count(code, some[0].name, gravest, len(some), fixable))
    return sorted(counts, key=lambda each: -each.count)
