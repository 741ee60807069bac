"""Findings that a comment in the source silences."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

from .rules import EVERY_RULE, selector_means

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
_OWN = re.compile(r"#\s*model-lint:\s*ignore(?:\[(?P<codes>[^]]*)\])?(?![\w[-])")


def without_suppressed(findings: list[Finding], module: Module) -> list[Finding]:
    """The findings that no comment silences.

    A comment counts on any line of the finding, and of the statement around it where
    that has no statements inside.
    """
    if not findings or not re.search("noqa|model-lint", module.text, re.IGNORECASE):
        return findings
    silenced = _silencing_comments(module.text)
    return [each for each in findings if not _is_silenced(each, module, silenced)]


def line_range(module: Module, place: Location) -> tuple[int, int]:
    """The first and last line of a place in the module's whole text."""
    before = module.cells[place.cell - 1].first - 1 if place.cell else 0
    first = place.line or 1
    return before + first, before + (place.end_line or first)


def _is_silenced(
    finding: Finding, module: Module, silenced: dict[int, list[str]]
) -> bool:
    first, last = _statement_around(module.tree, *line_range(module, finding.location))
    return any(
        selector_means(selector, finding.code, finding.name)
        for line in range(first, last + 1)
        for selector in silenced.get(line, ())
    )


def _statement_around(tree: ast.Module, first: int, last: int) -> tuple[int, int]:
    """The lines of the innermost statement, if it is a simple one."""
    for node in ast.walk(tree):
        has_inner = hasattr(node, "body") or isinstance(node, ast.Match)
        if isinstance(node, ast.stmt) and not has_inner:
            end = node.end_lineno or node.lineno
            if node.lineno <= first and last <= end:
                return node.lineno, end
    return first, last


def _silencing_comments(text: str) -> dict[int, list[str]]:
    """Line -> selectors of the rules that its comments silence."""
    silenced: dict[int, list[str]] = {}
    for line, comment in _comments(text):
        for match in (*_NOQA.finditer(comment), *_OWN.finditer(comment)):
            codes = EVERY_RULE if match["codes"] is None else match["codes"]
            silenced.setdefault(line, []).extend(re.split(r"[\s,]+", codes.strip()))
    return silenced


def _comments(text: str) -> Iterator[tuple[int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):
        return  # The parser took it, so at most the very end is lost.
