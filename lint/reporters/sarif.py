"""SARIF 2.1.0, which code scanning services read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, and GitHub's further
requirements, among them a place in a file for each result:
https://docs.github.com/code-security/reference/code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

from ..findings import Location, Severity
from ..fingerprints import fingerprints
from ..rules import rule_by_code
from ..rules.documentation import markdown, summary, why
from ..subjects.imported import is_reference
from ..tally import Count, tally
from ..urls import project_url, rule_url
from ..writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..findings import Edit, Finding, Fix
    from ..rules import Rule
    from ..run import Report

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)
_LEVELS = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}

# GitHub rejects longer rule descriptions.
_LONGEST = 1024

Object = dict[str, Any]


def write(report: Report, file: TextIO) -> None:
    """Write a log of one run, with its rules."""
    codes = {finding.code for finding in report.findings}
    names = fingerprints(report.findings, report.excerpts)
    pairs = zip(report.findings, names, strict=True)
    _write(codes, [_result(pair, name, report) for pair, name in pairs], file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write a log with one result for each rule, and how often it occurred."""
    counts = tally(report.findings)
    _write(
        {count.code for count in counts}, [_counted(count) for count in counts], file
    )


def _write(codes: Iterable[str], results: list[Object], file: TextIO) -> None:
    rules = [rule_by_code(code) for code in sorted(codes)]
    indices = {rule.code: index for index, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = indices[result["ruleId"]]
    driver = {
        "name": "model-lint",
        "version": version("kerasbn"),
        "informationUri": project_url("Homepage"),
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    write_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, file)


def _rule(rule: Rule) -> Object:
    page = markdown(rule)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": _short(summary(rule))},
        "fullDescription": {"text": _short(why(rule))},
        "help": {"text": page, "markdown": page},
        "helpUri": rule_url(rule),
        "properties": {"tags": ["correctness"], "precision": "high"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _counted(count: Count) -> Object:
    findings = "finding" if count.count == 1 else "findings"
    return {
        "ruleId": count.code,
        "level": _LEVELS[count.severity],
        "message": {"text": f"{count.count} {findings} of {count.name}"},
        "locations": [_location(Location("."), None)],
        "occurrenceCount": count.count,
    }


def _result(finding: Finding, fingerprint: str, report: Report) -> Object:
    place = finding.location
    message = finding.message
    if place.cell is not None:  # The lines of the file are those of its JSON.
        message = f"cell {place.cell}, line {place.line}: {message}"
    if place.layer is not None:
        message = f"layer {place.layer}: {message}"
    result: Object = {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": message},
        "locations": [_location(place, report.excerpts.get(finding))],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
    }
    if finding.fix is not None and place.path is not None and place.cell is None:
        result["fixes"] = [_fix(finding.fix, place.path)]
    return result


def _location(place: Location, excerpt: str | None) -> Object:
    region: Object = {"startLine": 1}
    if place.line is not None and place.cell is None:
        region = _region(place)
        if excerpt is not None and place.end_line in (None, place.line):
            region["snippet"] = {"text": _marked(place, excerpt)}
    location: Object = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(_file(place.path))},
            "region": region,
        }
    }
    logical = []
    if place.path is not None and is_reference(place.path):
        logical.append({"fullyQualifiedName": place.path})
    if place.layer is not None:
        logical.append({"fullyQualifiedName": place.layer, "kind": "layer"})
    if logical:
        location["logicalLocations"] = logical
    return location


def _file(path: str | None) -> str:
    """Return the file of a finding; for `package.module:name`, the module's."""
    if path is None:
        return "model"
    if not is_reference(path):
        return path
    module = path.partition(":")[0].replace(".", "/")
    is_package = Path(module, "__init__.py").exists()
    return f"{module}/__init__.py" if is_package else f"{module}.py"


def _region(place: Location) -> Object:
    region: Object = {"startLine": place.line, "startColumn": place.column or 1}
    if place.end_line is not None and place.end_column is not None:
        region |= {"endLine": place.end_line, "endColumn": place.end_column}
    return region


def _marked(place: Location, excerpt: str) -> str:
    """Return the text in the region, which ends in the line where it begins."""
    end = None if place.end_column is None else place.end_column - 1
    return excerpt[(place.column or 1) - 1 : end]


def _fix(fix: Fix, path: str) -> Object:
    what = "A safe fix" if fix.safe else "A fix to review before it is applied"
    change = {
        "artifactLocation": {"uri": _uri(path)},
        "replacements": [_replacement(edit) for edit in fix.edits],
    }
    return {"description": {"text": what}, "artifactChanges": [change]}


def _replacement(edit: Edit) -> Object:
    return {
        "deletedRegion": _region(edit.place),
        "insertedContent": {"text": edit.text},
    }


def _uri(path: str) -> str:
    """Return a path as a URI, relative if the path is."""
    file = Path(path)
    return file.as_uri() if file.is_absolute() else quote(os.fsencode(file.as_posix()))
