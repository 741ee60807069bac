"""Fixtures of rules that would find much in the others; each names its rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lint.rules import rules_matching
from lint.subjects.source import Project, read_module

FOLDER = Path(__file__).parents[2] / "fixtures" / "source_off"
FIXTURES = sorted(FOLDER.glob("*.py"))
_EXPECTED = re.compile(r"# expect: (BN\d{3}) ([EWI])")


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixture(path: Path) -> None:
    lines = path.read_text().splitlines()
    (rule,) = rules_matching(lines[0].removeprefix("# rules "))
    expected = [
        (number, *match.groups())
        for number, line in enumerate(lines, 1)
        for match in _EXPECTED.finditer(line)
    ]
    findings = rule.check_source(read_module(path, Project(FOLDER)))
    found = [(each.line, each.code, each.severity.letter) for each in findings]
    assert sorted(found) == expected
