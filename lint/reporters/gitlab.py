"""Code Quality reports of GitLab, for the artifact `codequality`.

https://docs.gitlab.com/ci/testing/code_quality/
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TextIO

from ..findings import Severity
from ..fingerprints import fingerprints
from ..tally import tally
from ..writing import write_json

if TYPE_CHECKING:
    from ..findings import Finding
    from ..run import Report

_SEVERITIES = {
    Severity.ERROR: "major",
    Severity.WARNING: "minor",
    Severity.INFO: "info",
}


def write(report: Report, file: TextIO) -> None:
    """Write an array with one object for each finding."""
    names = fingerprints(report.findings, report.excerpts)
    pairs = zip(report.findings, names, strict=True)
    write_json([_issue(finding, name) for finding, name in pairs], file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write an array with one object for each rule that was found."""
    counted = []
    for tallied in tally(report.findings):
        findings = "finding" if tallied.count == 1 else "findings"
        text = f"{tallied.count} {findings} of {tallied.name}"
        counted.append(
            _object(tallied.code, tallied.severity, text, tallied.code, ".", 1)
        )
    write_json(counted, file)


def _issue(finding: Finding, fingerprint: str) -> dict[str, Any]:
    place = finding.location
    prefix, line = "", place.line or 1
    if place.cell is not None:  # The lines of the file are those of its JSON.
        prefix, line = f"cell {place.cell}, line {place.line}: ", 1
    if place.layer is not None:
        prefix = f"layer {place.layer}: "
    return _object(
        finding.code,
        finding.severity,
        f"{finding.code} {prefix}{finding.message}",
        fingerprint,
        _within_repository(place.path or "model"),
        line,
    )


def _object(
    code: str, severity: Severity, text: str, fingerprint: str, path: str, line: int
) -> dict[str, Any]:
    return {
        "description": text,
        "check_name": code,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[severity],
        "location": {"path": path, "lines": {"begin": line}},
    }


def _within_repository(path: str) -> str:
    """Return the path relative to the repository's root, as GitLab expects it."""
    root = os.environ.get("CI_PROJECT_DIR")
    if root is None and not os.path.isabs(path):  # noqa: PTH117 - a text
        return path.replace(os.sep, "/").removeprefix("./")
    try:
        return os.path.relpath(path, root).replace(os.sep, "/")
    except ValueError:  # On another drive.
        return path
