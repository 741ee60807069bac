"""The findings as a JSON array, one flat object each; see `Finding.to_json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..run import Report


def write(report: Report, file: TextIO) -> None:
    """Write the array, one finding after another, each on lines of its own."""
    json.dump([finding.to_json() for finding in report.findings], file, indent=2)
    file.write("\n")
