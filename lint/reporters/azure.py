"""Logging commands of Azure Pipelines: an issue for each finding.

https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from kerasbn.writing import visible

from ..findings import Severity
from ..tally import tally

if TYPE_CHECKING:
    from ..findings import Finding
    from ..run import Report


def write(report: Report, file: TextIO) -> None:
    """Write one command for each finding."""
    for finding in report.findings:
        file.write(_issue(finding))


def write_statistics(report: Report, file: TextIO) -> None:
    """Write one command for each rule that was found."""
    for tallied in tally(report.findings):
        findings = "finding" if tallied.count == 1 else "findings"
        text = f"{tallied.count} {findings} of {tallied.name}"
        file.write(_command(tallied.severity, {"code": tallied.code}, text))


def _issue(finding: Finding) -> str:
    place = finding.location
    properties: dict[str, object] = {}
    prefix = ""
    if place.path is not None:
        properties["sourcepath"] = place.path
    if place.cell is not None:  # The lines of the file are those of its JSON.
        prefix = f"cell {place.cell}, line {place.line}: "
    elif place.line is not None:
        properties["linenumber"] = place.line
        properties["columnnumber"] = place.column or 1
    if place.layer is not None:
        prefix = f"layer {place.layer}: "
    properties["code"] = finding.code
    text = f"{prefix}{finding.message} ({finding.name})"
    return _command(finding.severity, properties, text)


def _command(severity: Severity, properties: dict[str, object], text: str) -> str:
    # There are two kinds of issue; an info is reported as a warning, too.
    kind = "error" if severity is Severity.ERROR else "warning"
    pairs = "".join(f"{key}={_property(value)};" for key, value in properties.items())
    return f"##vso[task.logissue type={kind};{pairs}]{_data(text)}\n"


def _data(text: object) -> str:
    """Escape a message."""
    escaped = visible(text, keep="\r\n").replace("%", "%AZP25")
    return escaped.replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    """Escape the value of a property."""
    return _data(value).replace(";", "%3B").replace("]", "%5D")
