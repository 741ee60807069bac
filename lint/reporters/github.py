"""Annotations of GitHub Actions: a workflow command on a line for each finding.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from kerasbn.writing import visible

from ..findings import Severity
from ..tally import tally

if TYPE_CHECKING:
    from ..findings import Finding
    from ..run import Report

_COMMANDS = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
}


def write(report: Report, file: TextIO) -> None:
    """Write one annotation for each finding."""
    for finding in report.findings:
        file.write(_annotation(finding))


def write_statistics(report: Report, file: TextIO) -> None:
    """Write one annotation for each rule that was found."""
    for tallied in tally(report.findings):
        title = _property(f"{tallied.code} {tallied.name}")
        findings = "finding" if tallied.count == 1 else "findings"
        command = _COMMANDS[tallied.severity]
        file.write(f"::{command} title={title}::{tallied.count} {findings}\n")


def _annotation(finding: Finding) -> str:
    place = finding.location
    properties: dict[str, object] = {}
    if place.path is not None:
        properties["file"] = place.path
    prefix = ""
    if place.cell is not None:  # The lines of the file are those of its JSON.
        prefix = f"cell {place.cell}, line {place.line}: "
    elif place.line is not None:
        properties["line"] = place.line
        properties["col"] = place.column or 1
        if place.end_line is not None:
            properties["endLine"] = place.end_line
        if place.end_line == place.line and place.end_column is not None:
            properties["endColumn"] = place.end_column
    if place.layer is not None:
        prefix = f"layer {place.layer}: "
    properties["title"] = f"{finding.code} {finding.name}"
    options = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    command = _COMMANDS[finding.severity]
    return f"::{command} {options}::{_data(prefix + finding.message)}\n"


def _data(text: object) -> str:
    """Escape the text after the second `::`."""
    shown = visible(text, keep="\r\n")
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    """Escape the value of a property."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")
