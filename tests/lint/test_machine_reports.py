"""What is written for other programs: SARIF, GitHub annotations, JUnit, statistics."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from lint.findings import Edit, Finding, Fix, Location, Severity
from lint.reporters import output_formats, write
from lint.rules import all_rules
from lint.run import Report

from .conftest import BAD_SOURCE, SAVED_MODELS

FORMATS = output_formats()
AWKWARD = (
    "a\x00b\x1b[31m\u202e \ud800 \ufffe % : , \r\n ::error::x ]]> <&\"' 名 \U0001f600"
)


def finding(severity=Severity.ERROR, message="too small", fix=None, **place):
    return Finding(
        "BN201", "momentum-too-small", severity, message, Location(**place), fix
    )


def written(report, output_format, **options):
    file = io.StringIO()
    write(report, output_format, file, **options)
    return file.getvalue()


def report(*findings, **fields):
    fields.setdefault("checked", ("a.py",))
    return Report(findings, **fields)


AT = {"path": "a.py", "line": 3, "column": 8, "end_line": 3, "end_column": 12}
PLACES = [
    AT,
    {**AT, "path": "/x/a b#?%é.py", "end_line": 4},
    {**AT, "path": "b.ipynb", "cell": 2},
    {"path": "m.keras", "layer": "inner/bn1"},
    {"path": "m.keras"},
    {"path": "pkg.models:net", "layer": "bn"},
    {"layer": "bn"},
    {"path": "a.py", "line": 3},
]
FIX = Fix((Edit(Location(**AT), "momentum=0.9"),))


@pytest.mark.parametrize("output_format", FORMATS)
class TestEveryFormat:
    def test_takes_any_text(self, output_format, tmp_path):
        path = AWKWARD.replace("\ud800", "\udc80")  # as a file system has it
        awkward = finding(message=AWKWARD, path=path, line=1, layer=AWKWARD)
        for one in (awkward, replace(awkward, severity=Severity.INFO)):
            text = written(report(one), output_format)
            (tmp_path / "report").write_text(text, "utf-8", errors="replace")
            check(output_format, text)
            if output_format not in ("json", "sarif", "gitlab"):  # JSON escapes it all.
                assert not re.search("[\x00\x1b\u202e]", text)

    @pytest.mark.parametrize("place", PLACES, ids=str)
    def test_takes_any_place(self, output_format, place):
        for severity in Severity:
            check(
                output_format,
                written(report(finding(severity, **place)), output_format),
            )

    @pytest.mark.parametrize("statistics", [False, True])
    def test_takes_no_findings(self, output_format, statistics):
        check(output_format, written(report(), output_format, statistics=statistics))

    def test_takes_statistics(self, output_format):
        some = report(finding(**AT), finding(Severity.INFO, path="m.keras", layer="b"))
        text = written(some, output_format, statistics=True)
        check(output_format, text)
        assert "2" in text
        assert "momentum-too-small" in text
        assert "a.py" not in text

    def test_is_written_by_the_command(self, output_format, command, folder):
        (folder / "a.py").write_text(BAD_SOURCE)
        arguments = ("--output-format", output_format, "--output-file", "report")
        for statistics in ([], ["--statistics"]):
            outcome = command("a.py", *arguments, *statistics)
            assert outcome == (1, "", "")
            text = (folder / "report").read_text()
            check(output_format, text)
            assert "BN201" in text

    def test_unreadable_targets_are_findings(self, output_format, command, folder):
        (folder / "a.py").write_text("x = (")
        outcome = command("a.py", "--output-format", output_format)
        assert outcome.status == 2
        if output_format not in ("text", "concise"):
            check(output_format, outcome.out)
            assert "BN001" in outcome.out


def check(output_format, text):
    """Whether a report is what its format allows."""
    checks = {
        "json": json.loads,
        "sarif": lambda text: conforms(json.loads(text), "log"),
        "junit": lambda text: check_junit(ElementTree.fromstring(text)),
        "github": check_github,
        "azure": check_azure,
        "gitlab": lambda text: check_gitlab(json.loads(text)),
        "concise": str,
        "text": str,
    }
    checks[output_format](text)


# SARIF 2.1.0, the parts that are used: object -> property -> what it is. A property
# with `!` is required, a list holds what is in it, a set lists the values, a text
# names another object; nothing else may be there. After the sections 3.13 to 3.57 of
# https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
URI = re.compile(r"https://[\w.~:/%-]+", re.ASCII)
LEVELS = {"none", "note", "warning", "error"}
SARIF = {
    "log": {"$schema": str, "version!": {"2.1.0"}, "runs!": ["run"]},
    "run": {
        "tool!": "tool",
        "columnKind": {"utf16CodeUnits", "unicodeCodePoints"},
        "results": ["result"],
    },
    "tool": {"driver!": "toolComponent"},
    "toolComponent": {
        "name!": str,
        "version": str,
        "informationUri": URI,
        "rules": ["reportingDescriptor"],
    },
    "reportingDescriptor": {
        "id!": str,
        "name": str,
        "shortDescription": "multiformatMessageString",
        "fullDescription": "multiformatMessageString",
        "help": "multiformatMessageString",
        "helpUri": URI,
        "properties": dict,
        "defaultConfiguration": "reportingConfiguration",
    },
    "multiformatMessageString": {"text!": str, "markdown": str},
    "reportingConfiguration": {"level": LEVELS},
    "result": {
        "ruleId": str,
        "ruleIndex": int,
        "level": LEVELS,
        "message!": "message",
        "locations": ["location"],
        "occurrenceCount": int,
        "partialFingerprints": dict,
        "fixes": ["fix"],
    },
    "message": {"text!": str},
    "location": {
        "physicalLocation": "physicalLocation",
        "logicalLocations": ["logicalLocation"],
    },
    "physicalLocation": {"artifactLocation": "artifactLocation", "region": "region"},
    "artifactLocation": {"uri": re.compile(r"[\w.~:/%-]+", re.ASCII)},
    "region": {
        "startLine!": int,
        "startColumn": int,
        "endLine": int,
        "endColumn": int,
        "snippet": "artifactContent",
    },
    "artifactContent": {"text": str},
    "logicalLocation": {"fullyQualifiedName": str, "kind": str},
    "fix": {"description": "message", "artifactChanges!": ["artifactChange"]},
    "artifactChange": {
        "artifactLocation!": "artifactLocation",
        "replacements!": ["replacement"],
    },
    "replacement": {"deletedRegion!": "region", "insertedContent": "artifactContent"},
}
AT_LEAST_ZERO = {"ruleIndex"}


def conforms(value, kind, name=""):
    """Assert that a value is what SARIF says it must be."""
    if isinstance(kind, list):
        assert isinstance(value, list)
        for item in value:
            conforms(item, kind[0])
    elif isinstance(kind, set):
        assert value in kind
    elif isinstance(kind, re.Pattern):
        assert kind.fullmatch(value)
    elif isinstance(kind, type):
        assert type(value) is kind
        assert kind is not int or value >= (0 if name in AT_LEAST_ZERO else 1)
    else:
        properties = SARIF[kind]
        known = {key.rstrip("!"): what for key, what in properties.items()}
        assert value.keys() <= known.keys()
        assert value.keys() >= {key[:-1] for key in properties if key[-1] == "!"}
        for key, entry in value.items():
            conforms(entry, known[key], key)


AZURE = re.compile(
    r"##vso\[task\.logissue type=(error|warning);(\w+=[^;\]\r\n]*;)+\][^\r\n]+"
)


def check_azure(text):
    for line in text.split("\n")[:-1]:
        assert AZURE.fullmatch(line)


# https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
def check_gitlab(issues):
    for issue in issues:
        assert issue["description"]
        assert issue["check_name"]
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert not issue["location"]["path"].startswith("./")
        assert issue["location"]["lines"]["begin"] >= 1
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def check_github_code_scanning(log):
    """What GitHub documents that it needs of SARIF, and refuses otherwise."""
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["help"]["text"]
        for key in ("shortDescription", "fullDescription"):
            assert 0 < len(rule[key]["text"]) <= 1024
        assert len(rule["id"]) <= 255
        assert len(rule["properties"]["tags"]) <= 10
    for result in run["results"]:
        physical = result["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"]["uri"]
        assert physical["region"]["startLine"] >= 1
        assert result["message"]["text"]
    prints = [
        result["partialFingerprints"]["primaryLocationLineHash"]
        for result in run["results"]
        if "partialFingerprints" in result
    ]
    assert len(set(prints)) == len(prints)


class TestFingerprints:
    def prints(self, *findings, excerpts):
        run = json.loads(written(report(*findings, excerpts=excerpts), "sarif"))
        return [
            result["partialFingerprints"]["primaryLocationLineHash"]
            for result in run["runs"][0]["results"]
        ]

    def test_survive_moved_and_indented_lines(self):
        here, there = finding(**AT), finding(**{**AT, "line": 30, "end_line": 30})
        (one,) = self.prints(here, excerpts={here: "x = BN()"})
        (other,) = self.prints(there, excerpts={there: "    x = BN()"})
        assert one == other

    def test_differ_by_line_text_and_by_order(self):
        one, two = finding(**AT), finding(**{**AT, "line": 9})
        alike = self.prints(one, two, excerpts={one: "x", two: "x"})
        assert len(set(alike)) == 2
        assert {each.partition(":")[2] for each in alike} == {"1", "2"}
        unlike = self.prints(one, two, excerpts={one: "x", two: "y"})
        assert {each.partition(":")[2] for each in unlike} == {"1"}


class TestSarif:
    @pytest.mark.parametrize("place", PLACES, ids=str)
    def test_is_what_github_accepts(self, place):
        for statistics in (False, True):
            some = report(finding(**place), finding(**place))
            text = written(some, "sarif", statistics=statistics)
            check_github_code_scanning(json.loads(text))

    def test_every_rule_is_what_github_accepts(self):
        found = [
            replace(finding(**AT), code=rule.code, name=rule.name)
            for rule in all_rules()
        ]
        log = json.loads(written(report(*found), "sarif"))
        check_github_code_scanning(log)
        assert len(log["runs"][0]["tool"]["driver"]["rules"]) == len(found)

    def run_of(self, report):
        (run,) = json.loads(written(report, "sarif"))["runs"]
        return run

    def test_a_result_has_its_place_rule_and_text(self):
        some = finding(**AT)
        run = self.run_of(report(some, excerpts={some: "x = BN(m=.1)"}))
        (result,) = run["results"]
        (rule,) = run["tool"]["driver"]["rules"]
        assert rule["id"] == result["ruleId"] == "BN201"
        assert rule["defaultConfiguration"] == {"level": "error"}
        assert result["ruleIndex"] == 0
        assert result["level"] == "error"
        physical = result["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"] == {"uri": "a.py"}
        assert physical["region"] == {
            "startLine": 3,
            "startColumn": 8,
            "endLine": 3,
            "endColumn": 12,
            "snippet": {"text": "m=.1"},
        }

    def test_an_absolute_path_is_a_uri(self):
        run = self.run_of(report(finding(**PLACES[1])))
        physical = run["results"][0]["locations"][0]["physicalLocation"]
        uri = physical["artifactLocation"]["uri"]
        assert unquote(uri) == "file:///x/a b#?%é.py"
        assert uri == "file:///x/a%20b%23%3F%25%C3%A9.py"

    def test_a_line_of_a_cell_is_no_line_of_the_file(self):
        run = self.run_of(report(finding(**PLACES[2])))
        (result,) = run["results"]
        assert result["message"]["text"] == "cell 2, line 3: too small"
        region = result["locations"][0]["physicalLocation"]["region"]
        assert region == {"startLine": 1}

    def test_a_layer_is_a_logical_location(self):
        run = self.run_of(report(finding(**PLACES[3])))
        (location,) = run["results"][0]["locations"]
        (logical,) = location["logicalLocations"]
        assert logical["fullyQualifiedName"] == "inner/bn1"
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "m.keras"

    def test_a_model_by_reference_is_in_its_module(self):
        run = self.run_of(report(finding(**PLACES[5])))
        (location,) = run["results"][0]["locations"]
        names = [place["fullyQualifiedName"] for place in location["logicalLocations"]]
        assert names == ["pkg.models:net", "bn"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == "pkg/models.py"

    def test_a_fix_is_reported(self):
        text = written(report(finding(fix=FIX, **AT)), "sarif")
        check("sarif", text)
        (fix,) = json.loads(text)["runs"][0]["results"][0]["fixes"]
        (replacement,) = fix["artifactChanges"][0]["replacements"]
        assert replacement["insertedContent"] == {"text": "momentum=0.9"}
        assert replacement["deletedRegion"]["startColumn"] == 8

    def test_statistics_are_results_that_occurred_so_often(self):
        some = report(*(finding(**{**AT, "line": line}) for line in range(1, 4)))
        run = json.loads(written(some, "sarif", statistics=True))["runs"][0]
        assert [each["occurrenceCount"] for each in run["results"]] == [3]


def check_github(text):
    for line in text.splitlines():
        assert re.fullmatch(r"::(error|warning|notice) (\w+=[^:,]*,?)+::.*", line)


class TestGithub:
    def test_an_annotation(self):
        assert written(report(finding(**AT)), "github") == (
            "::error file=a.py,line=3,col=8,endLine=3,endColumn=12,"
            "title=BN201 momentum-too-small::too small\n"
        )

    @pytest.mark.parametrize(
        ("severity", "command"),
        [("error", "error"), ("warning", "warning"), ("info", "notice")],
    )
    def test_severities(self, severity, command):
        text = written(report(finding(Severity(severity), **AT)), "github")
        assert text.startswith(f"::{command} ")

    def test_a_column_ends_only_in_its_own_line(self):
        text = written(report(finding(**{**AT, "end_line": 4})), "github")
        assert "endLine=4,title=" in text

    def test_a_layer_and_a_cell_are_told_in_the_message(self):
        layer, cell = (finding(**PLACES[i]) for i in (3, 2))
        lines = written(report(layer, cell), "github").splitlines()
        assert lines[0].endswith(
            "file=m.keras,title=BN201 momentum-too-small::layer inner/bn1: too small"
        )
        assert lines[1].endswith("momentum-too-small::cell 2, line 3: too small")
        assert "line=" not in lines[1]

    def test_what_has_a_meaning_is_escaped(self):
        text = written(report(finding(message="a%\r\nb:,", path="x,y:%.py")), "github")
        assert text == (
            "::error file=x%2Cy%3A%25.py,title=BN201 momentum-too-small::"
            "a%25%0D%0Ab:,\n"
        )


def check_junit(root):
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    for tag, attribute in (
        ("testcase", "tests"),
        ("failure", "failures"),
        ("error", "errors"),
    ):
        count = str(len(list(suite.iter(tag))))
        assert suite.get(attribute) == root.get(attribute) == count
    for case in suite:
        assert case.tag == "testcase"
        assert case.get("name")
        assert case.get("classname")
        assert [each.tag for each in case] in (
            ["failure"],
            ["error"],
            ["system-out"],
            [],
        )


class TestJunit:
    def suite_of(self, report):
        (suite,) = ElementTree.fromstring(written(report, "junit"))
        return suite

    def test_errors_and_warnings_fail(self):
        some = [finding(severity, **AT) for severity in Severity]
        suite = self.suite_of(report(*some))
        assert [[each.tag for each in case] for case in suite] == [
            ["failure"], ["failure"], ["system-out"],
        ]  # fmt: skip
        case = suite[0]
        assert case.attrib == {
            "name": "BN201 momentum-too-small at line 3",
            "classname": "a.py",
            "file": "a.py",
            "line": "3",
        }
        assert case[0].attrib == {"type": "error", "message": "too small"}

    def test_a_clean_file_passes(self):
        suite = self.suite_of(report(finding(**AT), checked=("a.py", "b.py")))
        assert [case.get("classname") for case in suite] == ["b.py", "a.py"]
        assert len(suite[0]) == 0

    def test_a_file_that_cannot_be_read_is_an_error(self, command, folder):
        (folder / "a.py").write_text("x = (")
        (folder / "b.py").write_text("")
        root = ElementTree.fromstring(command(".", "--output-format", "junit").out)
        assert root.get("errors") == "1"
        assert root.get("failures") == "0"

    def test_control_characters_are_spelt_out(self):
        suite = self.suite_of(report(finding(message="a\x00b\x1b", **AT)))
        assert suite[0][0].get("message") == r"a\x00b\x1b"


def test_json_statistics(command, folder):
    (folder / "a.py").write_text(BAD_SOURCE * 3 + BAD_SOURCE.replace("0.1", "0.85"))
    out = command("a.py", "--statistics", "--output-format", "json").out
    assert json.loads(out) == [
        {
            "code": "BN201",
            "name": "momentum-too-small",
            "severity": "error",
            "count": 4,
            "fixable": 3,
        }
    ]


def test_statistics_of_a_model_and_exit_status(command):
    model = SAVED_MODELS / "keras-3.15/sequential.keras"
    outcome = command(model, "--statistics", "--exit-zero", "--output-format", "json")
    assert outcome.status == 0
    assert sum(entry["count"] for entry in json.loads(outcome.out)) >= 1
