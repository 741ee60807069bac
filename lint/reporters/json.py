"""The findings as a JSON array, one flat object each; see `Finding.to_json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from ..tally import tally
from ..writing import write_json

if TYPE_CHECKING:
    from ..run import Report


def write(report: Report, file: TextIO) -> None:
    """Write the array, one finding after another, each on its own lines."""
    write_json([finding.to_json() for finding in report.findings], file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write an array of `{"code", "name", "severity", "count", "fixable"}`."""
    write_json([asdict(count) for count in tally(report.findings)], file)
