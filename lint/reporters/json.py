"""The findings as a JSON array, one flat object each; see `Finding.to_json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from ..tally import tally

if TYPE_CHECKING:
    from ..run import Report


def write(report: Report, file: TextIO) -> None:
    """Write the array, one finding after another, each on its own lines."""
    _dump([finding.to_json() for finding in report.findings], file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write an array of `{"code", "name", "severity", "count", "fixable"}`."""
    _dump([asdict(count) for count in tally(report.findings)], file)


def _dump(value: list[dict[str, Any]], file: TextIO) -> None:
    json.dump(value, file, indent=2)
    file.write("\n")
