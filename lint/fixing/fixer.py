"""Application of fixes to one file, without those that do not work out.

Fixes may overlap, and one may make room for another, so the file is linted again
after each round, until there is nothing left to fix.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from kerasbn.writing import UnusableFileError, replacing

from ..errors import UsageError
from ..findings import Severity
from ..subjects import UnreadError
from ..writing import unwritten
from .documents import read_document, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ..findings import Edit, Finding

    Check = Callable[[Path, bytes], Sequence[Finding]]

_MOST_ROUNDS = 10


@dataclass(frozen=True)
class FixedFile:
    """A file, before and after.

    Attributes:
        path: the file.
        before: its current bytes.
        after: its bytes with the fixes.
        count: how many findings they fix.
    """

    path: Path
    before: bytes
    after: bytes
    count: int

    def write(self) -> None:
        """Replace the file by the fixed one, keeping its permissions.

        Raises:
            UsageError: if it cannot be written, or has changed in the meantime.
        """
        try:
            if not os.access(self.path, os.W_OK):
                raise PermissionError(None, "it is write-protected")
            if self.path.read_bytes() != self.before:
                raise OSError(None, "it changed while it was being linted")
            with replacing(self.path, label="fixed file") as temporary:
                temporary.write_bytes(self.after)
        except OSError as error:
            raise UsageError(unwritten("fixed file", error, self.path)) from error
        except UnusableFileError as error:
            raise UsageError(str(error)) from error

    def diff(self) -> Iterator[str]:
        """Return the lines of a unified diff; for a notebook, one per changed cell."""
        is_notebook = _is_notebook(self.path)
        before, after = (
            read_document(data, is_notebook=is_notebook).texts
            for data in (self.before, self.after)
        )
        for number, (old, new) in enumerate(zip(before, after, strict=True), 1):
            name = f"{self.path}:cell {number}" if is_notebook else str(self.path)
            for line in unified_diff(_lines(old), _lines(new), name, name):
                yield line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}\n"


_NO_NEWLINE = r"\ No newline at end of file"


def fix_file(path: Path, check: Check, *, unsafe: bool) -> FixedFile | None:
    """Return the file with all fixes that work out; None if there are none.

    Args:
        path: a Python file or a notebook.
        check: lints the file with the given content.
        unsafe: whether to apply unsafe fixes as well.
    """
    try:
        before = path.read_bytes()
    except OSError:
        return None  # The problem with it is already a finding.
    return fix_data(path, before, check, unsafe=unsafe)


def fix_data(
    path: Path, data: bytes, check: Check, *, unsafe: bool
) -> FixedFile | None:
    """Do the same for a file with this content."""
    try:
        after, count = _fixed(path, data, check, unsafe)
    except (OSError, UnreadError, ValueError, RecursionError):
        return None
    return FixedFile(path, data, after, count) if after != data else None


def _fixed(path: Path, data: bytes, check: Check, unsafe: bool) -> tuple[bytes, int]:
    total = 0
    for _ in range(_MOST_ROUNDS):
        found = check(path, data)
        chosen = _without_overlaps(_usable(found, unsafe))
        if not chosen:
            break
        round_ = _Round(path, data, found, check, unsafe)
        # All at once, which nearly always works, or else one by one.
        if not round_.apply(chosen):
            for group in reversed(chosen):  # The places before an edit do not move.
                round_.apply([group])
        if not round_.count:
            break
        data, total = round_.data, total + round_.count
    return data, total


class _Round:
    """Fixes that are applied without looking for new ones in between."""

    def __init__(
        self,
        path: Path,
        data: bytes,
        found: Sequence[Finding],
        check: Check,
        unsafe: bool,
    ) -> None:
        self.data = data
        self.count = 0
        self._path = path
        self._found = found
        self._check = check
        self._unsafe = unsafe

    def apply(self, groups: Sequence[Sequence[Finding]]) -> bool:
        """Apply the fixes of these findings, if the result is accepted."""
        edits = [edit for group in groups for edit in _edits(group[0])]
        document = read_document(self.data, is_notebook=_is_notebook(self._path))
        try:
            data = document.with_edits(edits)
            found = self._check(self._path, data)
        except (UnreadError, ValueError, IndexError, RecursionError):
            return False
        fixed = [finding for group in groups for finding in group]
        if not self._is_accepted(fixed, found):
            return False
        self.data, self._found = data, found
        self.count += len(fixed)
        return True

    def _is_accepted(self, fixed: Sequence[Finding], found: Sequence[Finding]) -> bool:
        """Whether the findings are gone, and no new one that stays has appeared.

        New infos are accepted: a parameter that was added is not passed on yet, and an
        info about another class may take the place of one that is gone.
        """
        usable = _usable(found, self._unsafe)
        before, after = _serious_codes(self._found), _serious_codes(found)
        if not _serious_codes(f for f in found if f not in usable) <= before:
            return False
        before -= _serious_codes(fixed)
        messages = Counter(finding.message for finding in found)
        messages_before = Counter(finding.message for finding in self._found)
        return all(
            after[finding.code] <= before[finding.code]
            if finding.severity is not Severity.INFO
            else messages[finding.message] < messages_before[finding.message]
            for finding in fixed
        )


def _serious_codes(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(
        finding.code for finding in findings if finding.severity is not Severity.INFO
    )


def _usable(found: Sequence[Finding], unsafe: bool) -> list[Finding]:
    return [
        finding for finding in found if finding.fix and (unsafe or finding.fix.safe)
    ]


def _without_overlaps(found: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings whose fixes are compatible, grouped by common fix."""
    groups: dict[tuple[Edit, ...], list[Finding]] = {}
    for finding in found:
        groups.setdefault(_edits(finding), []).append(finding)
    chosen: list[list[Finding]] = []
    taken: list[Edit] = []
    for edits in sorted(groups, key=lambda edits: span(edits[0])):
        if not any(_overlap(one, other) for one in edits for other in taken):
            chosen.append(groups[edits])
            taken += edits
    return chosen


def _edits(finding: Finding) -> tuple[Edit, ...]:
    assert finding.fix is not None
    return finding.fix.edits


def _overlap(one: Edit, other: Edit) -> bool:
    """Whether two edits touch the same characters, or insert at the same place."""
    (start, end), (other_start, other_end) = span(one), span(other)
    return start == other_start or (start < other_end and other_start < end)


def _is_notebook(path: Path) -> bool:
    return path.suffix.lower() == ".ipynb"


def _lines(text: str) -> list[str]:
    """Split into lines with their ends, as diffs count them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
