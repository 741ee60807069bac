"""The report for people: each finding with its source, then a summary."""

from __future__ import annotations

import os
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size

from kerasbn.writing import visible

from ..findings import Severity
from ..rules import UNREADABLE, rule_by_code
from ..rules.documentation import is_about_reading, why
from ..subjects.files import NOTEBOOK
from ..subjects.imported import is_reference
from ..tally import tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from ..findings import Finding, Location
    from ..run import Report

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_TAB = "    "
NOT_INSPECTABLE = "BN002"

Line = list[tuple[str, str]]
"""Pieces of text and their styles."""


def write(report: Report, file: TextIO) -> None:
    """Write the findings and the summary, in colour if `file` is a terminal."""
    console = _console(file)
    # Only a terminal has a width; piped or stored output is never cut or wrapped.
    width = None if console is None else console.width
    _print([*_findings(report, width), *_summary(report)], file, console)


def write_concise(report: Report, file: TextIO) -> None:
    """Write a line for each finding, and the summary."""
    lines = [_headline(finding) for finding in report.findings]
    _print([*lines, *_summary(report)], file, _console(file))


def write_statistics(report: Report, file: TextIO) -> None:
    """Write how often each rule was found, the most frequent first."""
    counts = [
        _plain(f"{count.count:>6}  {count.code}  {count.name}")
        for count in tally(report.findings)
    ]
    _print([*counts, *_summary(report)], file, _console(file))


def _console(file: TextIO) -> Console | None:
    """Return a console if the file is a terminal, or is to be treated as one."""
    if not (file.isatty() or os.environ.get("FORCE_COLOR")):
        return None
    from rich.console import Console  # It takes a while, which pipes can save.

    console = Console(file=file, highlight=False)
    return console if console.is_terminal else None


def _print(lines: Iterable[Line], file: TextIO, console: Console | None) -> None:
    lines = [[(visible(text), style) for text, style in line] for line in lines]
    if console is None:
        file.writelines("".join(text for text, _ in line) + "\n" for line in lines)
        return
    from rich.text import Text

    for line in lines:
        console.print(Text.assemble(*line), soft_wrap=True)


def _findings(report: Report, width: int | None) -> Iterator[Line]:
    explained: set[str] = set()
    for _, group in groupby(report.findings, _statement):
        finding, *others = group
        yield _headline(finding)
        if finding in report.excerpts:
            yield from _excerpt(finding.location, report.excerpts[finding], width)
        if others:
            yield _other_layers(others)
        if finding.code not in explained:
            explained.add(finding.code)
            yield from _rationale(finding)


def _statement(finding: Finding) -> tuple[object, ...]:
    """Return a key that is equal for findings that say the same of several layers."""
    said = (finding.path, finding.code, finding.severity, finding.message)
    return said if finding.layer is not None else (*said, id(finding))


def _other_layers(findings: list[Finding]) -> Line:
    names = ", ".join(str(finding.layer) for finding in findings)
    return _plain(f"      + {_count(len(findings), 'more layer')}: {names}")


def _plain(text: str) -> Line:
    return [(text, "")]


def _headline(finding: Finding) -> Line:
    style = _STYLES[finding.severity]
    return [
        (f"{finding.location}: ", "bold"),
        (f"{finding.code} {finding.severity}", f"bold {style}"),
        (f" {finding.message}", ""),
    ]


def _excerpt(location: Location, source: str, width: int | None) -> Iterator[Line]:
    """Show the line of source, and a caret under the place."""
    column = location.column or 1
    is_one_line = location.end_line in (None, location.line)
    end = location.end_column if is_one_line else None
    before, marked = source[: column - 1], source[column - 1 : end and end - 1]
    before, marked, shown = _fit(
        _shown(before), _shown(marked.rstrip()), _shown(source.rstrip()), width
    )
    gutter = f"{location.line:>5} | "
    yield [(gutter, "dim"), (shown, "")]
    caret = " " * cell_len(before) + "^" * max(1, cell_len(marked))
    yield [(" " * 6 + "| ", "dim"), (caret, "bold red")]


def _shown(source: str) -> str:
    return visible(source.replace("\t", _TAB))


def _fit(
    before: str, marked: str, line: str, width: int | None
) -> tuple[str, str, str]:
    """Cut the three texts so that the line fits the terminal around the mark."""
    room = max(20, width - 9) if width is not None else None
    if room is None or cell_len(line) <= room:
        return before, marked, line
    start = max(0, len(before) - room // 3) if len(before) + len(marked) > room else 0
    lead = "…" if start else ""
    shown = lead + line[start + len(lead) :]
    before = lead + before[start + len(lead) :]
    if cell_len(shown) > room:
        shown = set_cell_size(shown, room - 1) + "…"
    return before, marked[: max(1, len(shown) - len(before))], shown


def _rationale(finding: Finding) -> Iterator[Line]:
    """Explain the finding, unless the target simply could not be read."""
    rule = rule_by_code(finding.code)
    if not is_about_reading(rule):
        yield [(f"      = {why(rule)} (model-lint rule {rule.code})", "dim")]


def _summary(report: Report) -> Iterator[Line]:
    counts = Counter(finding.severity for finding in report.findings)
    codes = sorted({finding.code for finding in report.findings})
    if counts:
        parts = [
            _count(counts[severity], severity)
            for severity in Severity
            if counts[severity]
        ]
        amount = _targets(report)
        yield _plain(f"Found {', '.join(parts)} in {amount} ({', '.join(codes)}).")
    else:
        yield _plain(f"No findings in {_targets(report)}.")
    yield from _fixes(report)
    if report.known:
        amount = _count(report.known, "known finding")
        yield _plain(f"{amount} of the baseline not shown.")
    silent = {file.path for file in report.unread} - {f.path for f in report.findings}
    if silent:
        yield _plain(f"{_count(len(silent), 'file')} could not be read.")
    notebooks = [path for path in report.opaque if path.endswith(NOTEBOOK)]
    models = len(report.opaque) - len(notebooks)
    for word, number, code in (
        ("model", models, NOT_INSPECTABLE),
        ("notebook", len(notebooks), UNREADABLE),
    ):
        if number and code not in codes:
            amount = _count(number, word)
            yield _plain(f"{amount} could be checked only in part; see {code}.")


def _fixes(report: Report) -> Iterator[Line]:
    """Say how many findings `--fix` would fix."""
    fixes = [finding.fix for finding in report.findings if finding.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    ways = [f"{safe} with --fix"] if safe else []
    if len(fixes) > safe:
        ways.append(f"{len(fixes) - safe} with --fix --unsafe-fixes")
    if ways:
        yield _plain(f"Can be fixed: {', '.join(ways)}.")


def _targets(report: Report) -> str:
    """Count the targets, except those that are already mentioned as unread."""
    names = {*report.checked, *(finding.path or "model" for finding in report.findings)}
    are_files = not any(is_reference(name) for name in names)
    return _count(len(names), "file" if are_files else "target")


def _count(number: int, word: str) -> str:
    plural = word if word == Severity.INFO else f"{word}s"
    return f"{number} {word if number == 1 else plural}"
