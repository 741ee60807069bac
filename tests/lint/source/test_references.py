"""Bugs of public training scripts: their patterns are found, corrected ones are not.

`references.toml` names the scripts; the fixtures rebuild their patterns.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lint.rules import all_rules
from lint.subjects.source import Project, read_module

FOLDER = Path(__file__).parents[2] / "fixtures" / "source" / "references"
REFERENCES = tomllib.loads(
    Path(__file__).with_name("references.toml").read_text(encoding="utf-8")
)["reference"]
PATTERNS = sorted({each["pattern"] for each in REFERENCES})
RULES = [rule for rule in all_rules() if rule.code >= "BN1" and rule.default]
_EXPECTED = re.compile(r"# expect: (BN\d{3}) ([EWI])")
_VERSION = re.compile(r"# keras ([\d.]+)")

Found = tuple[str, int | None, str, str]


def files_of(pattern: str) -> list[Path]:
    """The one file of a pattern, or the files of its folder."""
    single = FOLDER / f"{pattern}.py"
    return [single] if single.is_file() else sorted((FOLDER / pattern).glob("*.py"))


def expected_in(pattern: str) -> list[Found]:
    """File, line, code and severity of each finding that a comment expects."""
    return [
        (path.name, number, match[1], match[2])
        for path in files_of(pattern)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in _EXPECTED.finditer(line)
    ]


def found_in(pattern: str) -> list[Found]:
    """The same of each finding that there is."""
    paths = files_of(pattern)
    project = Project(paths[0].parent)
    found: list[Found] = []
    for path in paths:
        named = _VERSION.match(path.read_text())
        version = named[1] if named else None
        module = read_module(path, project, keras_version=version)
        for rule in RULES:
            found += [
                (path.name, each.line, each.code, each.severity.letter)
                for each in rule.check_source(module)
            ]
    return sorted(found)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pattern_is_found(pattern: str) -> None:
    assert found_in(pattern) == sorted(expected_in(pattern))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_corrected_pattern_is_silent(pattern: str) -> None:
    assert files_of(f"{pattern}_fixed")
    assert not expected_in(f"{pattern}_fixed")
    assert found_in(f"{pattern}_fixed") == []


def test_every_fixture_is_of_a_reference() -> None:
    names = {path.stem for path in FOLDER.iterdir() if path.name != "__pycache__"}
    assert names == {f"{each}{end}" for each in PATTERNS for end in ("", "_fixed")}


def test_references_are_enough() -> None:
    places = {(each["repository"], each["path"], each["line"]) for each in REFERENCES}
    assert len(places) == len(REFERENCES) >= 55
    assert len({each["repository"] for each in REFERENCES}) >= 45
    assert len({each["rule"] for each in REFERENCES}) >= 5


@pytest.mark.parametrize(
    "reference",
    REFERENCES,
    ids=lambda each: f"{each['repository']}-{each['rule']}-{each['line']}",
)
def test_reference_is_complete(reference: dict[str, str | int]) -> None:
    optional = {"cell", "keras", "unreadable"}
    assert set(reference) - optional == {
        *("repository", "commit", "path", "line", "rule", "pattern", "confirmation"),
    }
    repository = str(reference["repository"])
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
    assert re.fullmatch(r"[0-9a-f]{40}", str(reference["commit"]))
    assert str(reference["path"]).endswith((".py", ".ipynb"))
    assert ("cell" in reference) is str(reference["path"]).endswith(".ipynb")
    assert int(reference["line"]) > 0
    assert re.fullmatch(
        rf"https://github\.com/{re.escape(repository)}"
        r"/(issues/\d+|pull/\d+|commit/[0-9a-f]{40})",
        str(reference["confirmation"]),
    )
    rules = {code for _, _, code, _ in expected_in(str(reference["pattern"]))}
    assert reference["rule"] in rules
