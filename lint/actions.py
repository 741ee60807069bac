"""What the command does with a report, beside writing it."""

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
    """Fix the files; return whether that changed any.

    Raises:
        UsageError: if a file cannot be written; those before it are fixed.
    """
    counts = []
    for fixed in fixed_files(report, config, unsafe=unsafe):
        fixed.write()
        counts.append(fixed.count)
    return _tell("Fixed", counts)


def fixed_text(report: Report, config: Config, text: bytes, *, unsafe: bool) -> bytes:
    """The text that was checked, with its fixes."""
    counts = []
    for fixed in fixed_files(report, config, unsafe=unsafe, text=text):
        text = fixed.after
        counts.append(fixed.count)
    _tell("Fixed", counts)
    return text


def add_comments(report: Report, config: Config) -> None:
    """Silence what was found by comments.

    Raises:
        UsageError: if a file cannot be written; those before it have theirs.
    """
    from .adding import with_noqa

    counts = []
    for commented in with_noqa(report, config):
        commented.write()
        counts.append(commented.count)
    _tell("Silenced", counts)
    if left := len(report.findings) - sum(counts):
        say(
            f"{_count(left, 'finding')} not in source, where no comment can stand; "
            "see per-layer-ignores and --write-baseline."
        )


def print_diff(
    report: Report,
    config: Config,
    file: TextIO,
    *,
    unsafe: bool,
    text: bytes | None = None,
) -> bool:
    """Print what fixes would change; return whether that is anything.

    A terminal obeys nothing in it; elsewhere it is a patch, to the letter.
    """
    counts = []
    is_terminal = file.isatty()
    for fixed in fixed_files(report, config, unsafe=unsafe, text=text):
        for line in fixed.diff():
            file.write(visible(line, keep="\t\n") if is_terminal else line)
        counts.append(fixed.count)
    return _tell("Would fix", counts)


def _tell(verb: str, counts: list[int]) -> bool:
    if counts:
        files = _count(len(counts), "file")
        say(f"{verb} {_count(sum(counts), 'finding')} in {files}.")
    return bool(counts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
