"""Findings that a comment in the source silences."""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING

from .rules import selector_means

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .findings import Finding, Location
    from .subjects.source import Module

# A bare comment silences every rule; one with a colon but no code silences nothing,
# as in ruff.
_NOQA = re.compile(
    r"#\s*noqa(?![\w-])(?!\s*:)|"
    r"#\s*noqa\s*:\s*(?P<codes>[a-z]+\d+(?:[\s,]+[a-z]+\d+)*)",
    re.IGNORECASE,
)
_OWN = re.compile(r"#\s*model-lint:\s*ignore(?:\[(?P<codes>[^]]*)\])?(?![\w-])")


def without_suppressed(findings: list[Finding], module: Module) -> list[Finding]:
    """The findings that no comment on their lines silences.

    A comment that names codes counts on any line from the finding's first to its
    last; a bare one only on the first and last, as the lines between may be a whole
    function's, with comments for other tools.
    """
    if not findings or not re.search("noqa|model-lint", module.text, re.IGNORECASE):
        return findings
    silenced = _silencing_comments(module.text)
    return [
        finding
        for finding in findings
        if not _is_silenced(finding, line_range(module, finding.location), silenced)
    ]


def line_range(module: Module, place: Location) -> tuple[int, int]:
    """The first and last line of a place in the module's whole text."""
    before = module.cells[place.cell - 1] - 1 if place.cell else 0
    first = place.line or 1
    return before + first, before + (place.end_line or first)


def _is_silenced(
    finding: Finding, lines: tuple[int, int], silenced: dict[int, list[str] | None]
) -> bool:
    for line in range(lines[0], lines[1] + 1):
        selectors = silenced.get(line, [])
        if selectors is None:
            if line in lines:
                return True
        elif any(
            selector_means(selector, finding.code, finding.name)
            for selector in selectors
        ):
            return True
    return False


def _silencing_comments(text: str) -> dict[int, list[str] | None]:
    """Line -> the rules that its comment silences; None stands for all."""
    silenced: dict[int, list[str] | None] = {}
    for line, comment in _comments(text):
        for match in (*_NOQA.finditer(comment), *_OWN.finditer(comment)):
            if match["codes"] is None:
                silenced[line] = None
            elif (known := silenced.setdefault(line, [])) is not None:
                known += re.split(r"[\s,]+", match["codes"].strip())
    return silenced


def _comments(text: str) -> Iterator[tuple[int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):
        return  # The parser took it, so at most the very end is lost.
