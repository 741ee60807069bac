"""Every fixture has exactly the findings that its comments expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lint.rules import all_rules
from lint.subjects.source import Module, Project, read_module

FOLDER = Path(__file__).parents[2] / "fixtures" / "source"
FIXTURES = sorted(set(FOLDER.rglob("*.py")) - set(FOLDER.glob("references/**/*.py")))
RULES = [rule for rule in all_rules() if rule.code in {
    *("BN101", "BN102", "BN103", "BN104", "BN105", "BN106", "BN107", "BN108"),
    *("BN109", "BN110", "BN111", "BN112", "BN113", "BN114", "BN115", "BN116", "BN117"),
    *("BN201", "BN202", "BN206", "BN208", "BN209", "BN210", "BN211", "BN301"),
    *("BN302", "BN303", "BN403"),
}]  # fmt: skip
_EXPECTED = re.compile(r"# expect: (BN\d{3}) ([EWI])")
_VERSION = re.compile(r"# keras ([\d.]+)")


def read_fixture(path: Path) -> Module:
    """The module, for the Keras that its first line may name."""
    named = _VERSION.match(path.read_text())
    root = FOLDER / "project" if "project" in path.parts else FOLDER
    version = named[1] if named else None
    return read_module(path, Project(root), keras_version=version)


def expected_in(path: Path) -> list[tuple[int, str, str]]:
    """Line, code and severity of each finding that a comment expects."""
    return [
        (number, match[1], match[2])
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in _EXPECTED.finditer(line)
    ]


def found_in(module: Module) -> list[tuple[int | None, str, str]]:
    findings = [each for rule in RULES for each in rule.check_source(module)]
    return sorted((each.line, each.code, each.severity.letter) for each in findings)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixture(path: Path) -> None:
    assert found_in(read_fixture(path)) == sorted(expected_in(path))


def test_enough_patterns() -> None:
    expected = [each for path in FIXTURES for each in expected_in(path)]
    assert len(expected) >= 40
    assert {code for _, code, _ in expected} == {rule.code for rule in RULES}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_location_is_the_text_it_names(path: Path) -> None:
    module = read_fixture(path)
    for rule in RULES:
        for finding in rule.check_source(module):
            place = finding.location
            assert place.line is not None
            assert place.column is not None
            line = module.lines[place.line - 1]
            text = line[place.column - 1 :]
            assert text.strip(), finding
            assert place.column == 1 or not line[place.column - 2].isalnum(), finding
