"""Comments in source that silence rules, and their effect."""

from __future__ import annotations

import re
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import UsageError
from .rules import EVERY_RULE, rules_matching, selector_means

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from tokenize import TokenInfo

    from .findings import Finding, Location
    from .subjects.source import Module

# A bare comment silences every rule; one with a colon but no code silences nothing,
# as in ruff.
_CODES = r"(?P<codes>[a-z]+\d+(?:[\s,]+[a-z]+\d+)*)"
_NOQA = re.compile(rf"#\s*noqa(?![\w-])(?!\s*:)|#\s*noqa\s*:\s*{_CODES}", re.IGNORECASE)
_OWN = re.compile(
    r"#\s*model-lint:\s*ignore(?:\s*\[(?P<codes>[^]]*)\])?(?!\s*\[|[\w-])"
)
# Comments for the whole file stand on their own line.
_FILE = re.compile(
    rf"#\s*(?:ruff|flake8)\s*[:=]\s*noqa(?:\s*:\s*{_CODES}|(?![\w-])(?!\s*:))|"
    r"#\s*model-lint:\s*skip-file(?![\w-])",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\s,]+")

_BETWEEN_LINES = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Suppression:
    """A selector in a comment.

    Attributes:
        selector: a code, a name, a code prefix, or `ALL`.
        line: the comment's line in the module's whole text.
        start: the column of the selector in it, from 1; of the comment if it is bare.
        end: the column after it.
        comment: the columns where its whole comment begins and ends.
        whole_file: whether it applies to the whole file.
        is_noqa: whether it has the form that all linters share.
    """

    selector: str
    line: int
    start: int
    end: int
    comment: tuple[int, int]
    whole_file: bool = False
    is_noqa: bool = False

    @property
    def names_rules(self) -> bool:
        """Whether it names rules of this linter, and not all rules of any linter."""
        return self.selector.upper() != EVERY_RULE

    def means(self, finding: Finding) -> bool:
        """Whether it silences a finding on its line."""
        return selector_means(self.selector, finding.code, finding.name)


@dataclass
class Suppressions:
    """The comments of a module, and which of them have silenced something."""

    module: Module
    _all: list[Suppression] = field(default_factory=list)
    _used: set[Suppression] = field(default_factory=set)

    def __post_init__(self) -> None:
        text = self.module.text.lower()
        if "noqa" in text or "model-lint" in text:
            self._all = list(_suppressions(self.module.tokens))

    def without_silenced(self, findings: list[Finding]) -> list[Finding]:
        """Return the findings that no comment silences.

        A comment counts on any line of the finding, and of the statement around it; for
        a compound statement, on any line of its header.
        """
        if not findings or not self._all:
            return findings
        statements = list(logical_lines(self.module.tokens))
        kept = []
        for finding in findings:
            place = line_range(self.module, finding.location)
            first, last = widened(place, statements)
            silencing = [
                comment
                for comment in self._all
                if (comment.whole_file or first <= comment.line <= last)
                and comment.means(finding)
            ]
            self._used.update(silencing)
            if not silencing:
                kept.append(finding)
        return kept

    def noqa_ends(self) -> dict[int, int]:
        """Line -> the column after the codes of its `# noqa: …`."""
        return {
            comment.line: comment.comment[1]
            for comment in self._all
            if comment.is_noqa and comment.names_rules and not comment.whole_file
        }

    def unused(self, codes: Collection[str]) -> list[Suppression]:
        """Return the comments that name rules and silenced nothing, though these ran.

        Args:
            codes: the rules that were on. A comment that names none of them may be
                needed in another run; one that names no rule at all never is.
        """
        return [
            comment
            for comment in self._all
            if comment not in self._used
            and comment.names_rules
            and _is_ours(comment, codes)
        ]


def line_range(module: Module, place: Location) -> tuple[int, int]:
    """Return the first and last line of a place in the module's whole text."""
    before = module.cells[place.cell - 1].first - 1 if place.cell else 0
    first = place.line or 1
    return before + first, before + (place.end_line or first)


def widened(
    place: tuple[int, int], statements: Iterable[tuple[int, int]]
) -> tuple[int, int]:
    """Widen a place to the whole statement, or header of one, around it."""
    first, last = place
    for start, end in statements:
        if start <= first and last <= end:
            return start, end
    return place


def logical_lines(tokens: Iterable[TokenInfo]) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of each simple statement and each header."""
    start: int | None = None
    for token in tokens:
        if token.type == tokenize.NEWLINE and start is not None:
            yield start, token.start[0]
            start = None
        elif start is None and token.type not in _BETWEEN_LINES:
            start = token.start[0]


def _is_ours(suppression: Suppression, codes: Collection[str]) -> bool:
    try:
        meant = {rule.code for rule in rules_matching(suppression.selector)}
    except UsageError:
        return re.match(r"BN\d", suppression.selector, re.IGNORECASE) is not None
    return not meant.isdisjoint(codes)


def _suppressions(tokens: Iterable[TokenInfo]) -> Iterator[Suppression]:
    for token in tokens:
        if token.type != tokenize.COMMENT:
            continue
        stands_alone = not token.line[: token.start[1]].strip()
        for pattern in (_NOQA, _OWN, *([_FILE] if stands_alone else [])):
            for match in pattern.finditer(token.string):
                yield from _selectors(token, match, pattern)


def _selectors(
    token: TokenInfo, match: re.Match[str], pattern: re.Pattern[str]
) -> Iterator[Suppression]:
    whole_file, is_noqa = pattern is _FILE, pattern is _NOQA
    line, before = token.start[0], token.start[1] + 1
    comment = before + match.start(), before + match.end()
    codes = match.groupdict().get("codes")
    if codes is None:
        yield Suppression(EVERY_RULE, line, *comment, comment, whole_file, is_noqa)
        return
    for word in _WORD.finditer(codes):
        start = before + match.start("codes") + word.start()
        end = start + len(word[0])
        yield Suppression(word[0], line, start, end, comment, whole_file, is_noqa)
