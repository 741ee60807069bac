"""SARIF 2.1.0, which code scanning services read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import quote

from ..findings import Severity
from ..rules import rule_by_code
from ..rules.documentation import markdown, summary, why
from ..statistics import Count, statistics
from ..subjects.imported import is_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..findings import Edit, Finding, Fix, Location
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

Object = dict[str, Any]


def write(report: Report, file: TextIO) -> None:
    """Write a log of one run, with its rules."""
    codes = {finding.code for finding in report.findings}
    _write(codes, [_result(each, report) for each in report.findings], file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write a log with one result for each rule, and how often it occurred."""
    counts = statistics(report.findings)
    _write({each.code for each in counts}, [_counted(each) for each in counts], file)


def _write(codes: Iterable[str], results: list[Object], file: TextIO) -> None:
    rules = [rule_by_code(code) for code in sorted(codes)]
    indices = {rule.code: index for index, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = indices[result["ruleId"]]
    driver = {
        "name": "model-lint",
        "version": version("kerasbn"),
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, file, indent=2)
    file.write("\n")


def _rule(rule: Rule) -> Object:
    page = markdown(rule)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": summary(rule)},
        "fullDescription": {"text": why(rule)},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _counted(count: Count) -> Object:
    findings = "finding" if count.count == 1 else "findings"
    return {
        "ruleId": count.code,
        "level": _LEVELS[count.severity],
        "message": {"text": f"{count.count} {findings} of {count.name}"},
        "occurrenceCount": count.count,
    }


def _result(finding: Finding, report: Report) -> Object:
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
    }
    if finding.fix is not None and place.path is not None and place.cell is None:
        result["fixes"] = [_fix(finding.fix, place.path)]
    return result


def _location(place: Location, excerpt: str | None) -> Object:
    location: Object = {}
    if place.path is not None and not is_reference(place.path):
        physical: Object = {"artifactLocation": {"uri": _uri(place.path)}}
        if place.line is not None and place.cell is None:
            physical["region"] = _region(place)
            if excerpt is not None and place.end_line in (None, place.line):
                physical["region"]["snippet"] = {"text": _marked(place, excerpt)}
        location["physicalLocation"] = physical
    elif place.path is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": place.path}]
    if place.layer is not None:
        logical = {"fullyQualifiedName": place.layer, "kind": "layer"}
        location.setdefault("logicalLocations", []).append(logical)
    return location


def _region(place: Location) -> Object:
    region: Object = {"startLine": place.line, "startColumn": place.column or 1}
    if place.end_line is not None and place.end_column is not None:
        region |= {"endLine": place.end_line, "endColumn": place.end_column}
    return region


def _marked(place: Location, excerpt: str) -> str:
    """What is in the region, which ends in the line that it begins in."""
    end = None if place.end_column is None else place.end_column - 1
    return excerpt[(place.column or 1) - 1 : end]


def _fix(fix: Fix, path: str) -> Object:
    what = "A safe fix" if fix.safe else "A fix to look at before it is applied"
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
    """A path as a URI, relative where the path is."""
    file = Path(path)
    return file.as_uri() if file.is_absolute() else quote(os.fsencode(file.as_posix()))
