"""Findings that a comment in the source silences."""

from __future__ import annotations

import re
import tokenize
from typing import TYPE_CHECKING

from .rules import EVERY_RULE, selector_means

if TYPE_CHECKING:
    from collections.abc import Iterable
    from tokenize import TokenInfo

    from .findings import Finding, Location
    from .subjects.source import Module

# A bare comment silences every rule; one with a colon but no code silences nothing,
# as in ruff.
_NOQA = re.compile(
    r"#\s*noqa(?![\w-])(?!\s*:)|"
    r"#\s*noqa\s*:\s*(?P<codes>[a-z]+\d+(?:[\s,]+[a-z]+\d+)*)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"#\s*model-lint:\s*ignore(?:\s*\[(?P<codes>[^]]*)\])?(?!\s*\[|[\w-])"
)

_BETWEEN_LINES = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


def without_suppressed(findings: list[Finding], module: Module) -> list[Finding]:
    """The findings that no comment silences.

    A comment counts on any line of the finding, and of the statement around it; of
    one with statements inside, on any line of its header.
    """
    if not findings or not re.search("noqa|model-lint", module.text, re.IGNORECASE):
        return findings
    silenced = _silencing_comments(module.tokens)
    lines = _logical_lines(module.tokens)
    return [
        each
        for each in findings
        if not _is_silenced(
            each, _widened(line_range(module, each.location), lines), silenced
        )
    ]


def line_range(module: Module, place: Location) -> tuple[int, int]:
    """The first and last line of a place in the module's whole text."""
    before = module.cells[place.cell - 1].first - 1 if place.cell else 0
    first = place.line or 1
    return before + first, before + (place.end_line or first)


def _is_silenced(
    finding: Finding, place: tuple[int, int], silenced: dict[int, list[str]]
) -> bool:
    first, last = place
    return any(
        selector_means(selector, finding.code, finding.name)
        for line in range(first, last + 1)
        for selector in silenced.get(line, ())
    )


def _widened(
    place: tuple[int, int], logical_lines: list[tuple[int, int]]
) -> tuple[int, int]:
    """The whole statement, or header of one, that a place lies in."""
    first, last = place
    for start, end in logical_lines:
        if start <= first and last <= end:
            return start, end
    return place


def _logical_lines(tokens: Iterable[TokenInfo]) -> list[tuple[int, int]]:
    """The first and last line of each simple statement and each header."""
    found = []
    start: int | None = None
    for token in tokens:
        if token.type == tokenize.NEWLINE and start is not None:
            found.append((start, token.start[0]))
            start = None
        elif start is None and token.type not in _BETWEEN_LINES:
            start = token.start[0]
    return found


def _silencing_comments(tokens: Iterable[TokenInfo]) -> dict[int, list[str]]:
    """Line -> selectors of the rules that its comments silence."""
    silenced: dict[int, list[str]] = {}
    for token in tokens:
        if token.type != tokenize.COMMENT:
            continue
        for match in (*_NOQA.finditer(token.string), *_OWN.finditer(token.string)):
            codes = EVERY_RULE if match["codes"] is None else match["codes"]
            selectors = re.split(r"[\s,]+", codes.strip())
            silenced.setdefault(token.start[0], []).extend(selectors)
    return silenced
