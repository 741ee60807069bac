"""Addition of `# noqa` comments, for a repository that accepts its current findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .findings import Edit
from .fixing.documents import read_document
from .fixing.fixer import FixedFile
from .linter import Linter
from .subjects import UnreadError
from .subjects.files import NOTEBOOK, SOURCE
from .suppression import Suppressions, line_range, logical_lines, widened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .config import Config
    from .findings import Finding
    from .run import Report
    from .subjects.source import Module


def with_noqa(report: Report, config: Config) -> Iterator[FixedFile]:
    """Yield each source with comments that silence its findings, before writing.

    Findings in models are left out, since their files cannot hold comments.
    """
    linter = Linter(config)
    for name, findings in _in_source(report).items():
        path = Path(name)
        try:
            data = path.read_bytes()
            edits = noqa_edits(linter.read_source(path, data), findings)
            is_notebook = path.suffix.lower() in NOTEBOOK
            after = read_document(data, is_notebook=is_notebook).with_edits(edits)
        except (OSError, UnreadError, ValueError, RecursionError):
            continue  # The problem with it is already a finding.
        yield FixedFile(path, data, after, len(findings))


def _in_source(report: Report) -> dict[str, list[Finding]]:
    """Path -> its findings, for the files that may hold comments."""
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        path = finding.path
        if path is not None and path.lower().endswith((*SOURCE, *NOTEBOOK)):
            found.setdefault(path, []).append(finding)
    return found


def noqa_edits(module: Module, findings: Sequence[Finding]) -> Iterator[Edit]:
    """Yield the edits of a module that add comments for these findings."""
    statements = list(logical_lines(module.tokens))
    codes: dict[int, dict[str, None]] = {}
    for finding in findings:
        place = line_range(module, finding.location)
        _, last = widened(place, statements)
        codes.setdefault(last, {})[finding.code] = None
    comments = Suppressions(module).noqa_ends()
    for line, here in codes.items():
        text = ", ".join(here)
        if line in comments:
            column, text = comments[line], f", {text}"
        else:
            column = len(module.lines[line - 1].rstrip()) + 1
            text = f"  # noqa: {text}"
        place_of_edit = module.place((line, column), (line, column))
        yield Edit(place_of_edit, text)
