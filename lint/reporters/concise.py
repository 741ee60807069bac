"""A line for each finding, for editors and for `grep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from . import text

if TYPE_CHECKING:
    from ..run import Report


def write(report: Report, file: TextIO) -> None:
    """Write `path:line:column: code severity message` for each, and the summary."""
    text.write_concise(report, file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write how often each rule was found, the most frequent first."""
    text.write_statistics(report, file)
