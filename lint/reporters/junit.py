"""JUnit XML: a test case for each finding, and one for each file without any.

Errors and warnings are failures. An info is a case that passes, with the message
as its output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from kerasbn.writing import visible

from ..findings import Severity
from ..rules import rule_by_code
from ..rules.documentation import is_about_reading
from ..tally import tally

if TYPE_CHECKING:
    from ..findings import Finding
    from ..run import Report


def write(report: Report, file: TextIO) -> None:
    """Write one suite."""
    suite = Element("testsuite", name="model-lint")
    with_findings = {finding.path for finding in report.findings}
    for name in report.checked:
        if name not in with_findings:
            SubElement(suite, "testcase", name=_text(name), classname=_text(name))
    for finding in report.findings:
        _add(suite, finding)
    _finish(suite, file)


def write_statistics(report: Report, file: TextIO) -> None:
    """Write one suite with a test case for each rule that was found."""
    suite = Element("testsuite", name="model-lint")
    for tallied in tally(report.findings):
        name = f"{tallied.code} {tallied.name}"
        case = SubElement(suite, "testcase", name=name, classname="model-lint")
        findings = "finding" if tallied.count == 1 else "findings"
        _put(case, tallied.severity, tallied.code, f"{tallied.count} {findings}")
    _finish(suite, file)


def _add(suite: Element, finding: Finding) -> None:
    place = finding.location
    path = _text(place.path or "model")
    places = [f"cell {place.cell}"] if place.cell is not None else []
    places += [f"line {place.line}"] if place.line is not None else []
    places += [f"layer {place.layer}"] if place.layer is not None else []
    name = " ".join([finding.code, finding.name, *(["at"] if places else []), *places])
    case = SubElement(suite, "testcase", name=_text(name), classname=path, file=path)
    if place.line is not None and place.cell is None:
        case.set("line", str(place.line))
    _put(case, finding.severity, finding.code, finding.message)


def _put(case: Element, severity: Severity, code: str, message: str) -> None:
    """Put the message into the case, according to its severity."""
    if severity is Severity.INFO:
        SubElement(case, "system-out").text = _text(f"{severity}: {message}")
        return
    kind = "error" if is_about_reading(rule_by_code(code)) else "failure"
    outcome = SubElement(case, kind, type=severity, message=_text(message))
    outcome.text = _text(f"{case.get('classname')}: {case.get('name')}: {message}")


def _finish(suite: Element, file: TextIO) -> None:
    """Count the cases of the suite and write it."""
    for attribute, tag in (("tests", "case"), ("failures", "failure")):
        found = suite.iter("testcase" if tag == "case" else tag)
        suite.set(attribute, str(sum(1 for _ in found)))
    suite.set("errors", str(sum(1 for _ in suite.iter("error"))))
    root = Element("testsuites", name="model-lint")
    for attribute in ("tests", "failures", "errors"):
        root.set(attribute, suite.attrib[attribute])
    root.append(suite)
    indent(root)
    # ASCII is right whatever the encoding of the file.
    file.write(tostring(root, "us-ascii").decode("ascii") + "\n")


def _text(text: str) -> str:
    return visible(text, keep="\t\n")
