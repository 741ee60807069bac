"""Actions of the command on a report, besides writing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from kerasbn.writing import say, visible

from .baseline import write_baseline
from .fixing import fixed_files

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config
    from .run import Report


def keep_as_known(report: Report, file: Path) -> None:
    """Write the findings to a baseline.

    Raises:
        UsageError: if it cannot be written.
    """
    write_baseline(file, report.findings, report.excerpts)
    say(f"Wrote {_count(len(report.findings), 'finding')} to {file}.")


def apply_fixes(report: Report, config: Config, *, unsafe: bool) -> bool:
    """Fix the files; return whether any was changed.

    Raises:
        UsageError: if a file cannot be written; the files before it are fixed.
    """
    counts = []
    for fixed in fixed_files(report, config, unsafe=unsafe):
        fixed.write()
        counts.append(fixed.count)
    return _say_count("Fixed", counts)


def fixed_text(report: Report, config: Config, text: bytes, *, unsafe: bool) -> bytes:
    """Return the text that was checked, with its fixes."""
    counts = []
    for fixed in fixed_files(report, config, unsafe=unsafe, text=text):
        text = fixed.after
        counts.append(fixed.count)
    _say_count("Fixed", counts)
    return text


def add_comments(report: Report, config: Config) -> None:
    """Add comments that silence the findings.

    Raises:
        UsageError: if a file cannot be written; the files before it have them.
    """
    from .adding import with_noqa

    counts = []
    for commented in with_noqa(report, config):
        commented.write()
        counts.append(commented.count)
    _say_count("Silenced", counts)
    if left := len(report.findings) - sum(counts):
        say(
            f"{_count(left, 'finding')} outside source, where comments are not "
            "possible; see per-layer-ignores and --write-baseline."
        )


def print_diff(
    report: Report,
    config: Config,
    file: TextIO,
    *,
    unsafe: bool,
    text: bytes | None = None,
) -> bool:
    """Print what fixes would change; return whether there is anything.

    On a terminal, control characters are masked; elsewhere it is an exact patch.
    """
    counts = []
    is_terminal = file.isatty()
    for fixed in fixed_files(report, config, unsafe=unsafe, text=text):
        for line in fixed.diff():
            file.write(visible(line, keep="\t\n") if is_terminal else line)
        counts.append(fixed.count)
    return _say_count("Would fix", counts)


def _say_count(verb: str, counts: list[int]) -> bool:
    if counts:
        files = _count(len(counts), "file")
        say(f"{verb} {_count(sum(counts), 'finding')} in {files}.")
    return bool(counts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
