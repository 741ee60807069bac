"""What the command does with a report, beside writing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from .baseline import write_baseline
from .errors import UsageError
from .fixing import fixed_files
from .writing import unwritten

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config
    from .run import Report


def keep_as_known(report: Report, file: Path) -> None:
    """Write the findings to a baseline.

    Raises:
        UsageError: if it cannot be written.
    """
    try:
        write_baseline(file, report.findings, report.excerpts)
    except OSError as error:
        raise UsageError(unwritten("baseline", error, file)) from error
    _say(f"Wrote {_count(len(report.findings), 'finding')} to {file}.")


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


def print_diff(report: Report, config: Config, file: TextIO, *, unsafe: bool) -> bool:
    """Print what fixes would change; return whether that is anything."""
    counts = []
    for fixed in fixed_files(report, config, unsafe=unsafe):
        file.writelines(fixed.diff())
        counts.append(fixed.count)
    return _tell("Would fix", counts)


def _say(text: str) -> None:
    """Tell something on the standard error."""
    click.echo(text, err=True)


def _tell(verb: str, counts: list[int]) -> bool:
    if counts:
        files = _count(len(counts), "file")
        _say(f"{verb} {_count(sum(counts), 'finding')} in {files}.")
    return bool(counts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
