"""Report formats: every other module in this folder is one, and is named after it.

A reporter has two functions: `write(report, file)` writes the findings,
`write_statistics(report, file)` only how often each rule was found.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..run import Report

DEFAULT = "text"


def output_formats() -> list[str]:
    """The names of all reporters."""
    return sorted(module.name for module in iter_modules(__path__))


def write(
    report: Report, output_format: str, file: TextIO, *, statistics: bool = False
) -> None:
    """Write a report, or only its statistics, in one of the formats."""
    reporter = import_module(f".{output_format}", __name__)
    if statistics:
        reporter.write_statistics(report, file)
    else:
        reporter.write(report, file)
