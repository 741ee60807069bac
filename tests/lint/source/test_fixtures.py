"""Every fixture has exactly the findings that its comments expect, at their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import Project

from .fixtures import (
    FIXTURES,
    RULES,
    expected_in,
    findings_in,
    found_in,
    joined,
    of_expected_form,
    read,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lint.findings import Finding
    from lint.subjects.source import Module

FOLDER = FIXTURES / "source"
OF_REFERENCES = set(FOLDER.glob("references/**/*.py"))  # see `test_references`
BY_DEFAULT = sorted(set(FOLDER.rglob("*.py")) - OF_REFERENCES)
# Of rules that would find much in the others.
SELECTED = sorted((FIXTURES / "source_off").glob("*.py"))
# All of several files but those that import modules, use a name twice, or are judged
# otherwise when they are one.
FOLDERS = sorted(
    folder
    for folder in FOLDER.glob("*/")
    if folder.name not in {"constants", "indirect_steps", "options", "project"}
    if folder.name not in {"inherited_call", "transitions", "shared_and_trained"}
    if folder.name != "references"  # see `test_references`
)


def root_of(path: Path) -> Path:
    return FOLDER / "project" if "project" in path.parts else path.parent


@pytest.mark.parametrize("path", BY_DEFAULT + SELECTED, ids=lambda path: path.stem)
def test_fixture(path: Path) -> None:
    module = read(path, Project(root_of(path)))
    findings = findings_in(path, module)
    found = sorted(of_expected_form(path, finding) for finding in findings)
    assert found == expected_in(path)
    for finding in findings:
        assert_location_is_the_text_it_names(finding, module)


def assert_location_is_the_text_it_names(finding: Finding, module: Module) -> None:
    place = finding.location
    assert place.line is not None
    assert place.column is not None
    line = module.lines[place.line - 1]
    assert line[place.column - 1 :].strip(), finding
    assert place.column == 1 or not line[place.column - 2].isalnum(), finding


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_files_joined_into_one(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "joined.py"
    path.write_text(joined(folder))
    assert found_in(path, root=tmp_path) == expected_in(path)


def test_every_rule_has_one() -> None:
    expected = expected_in(*BY_DEFAULT)
    assert len(expected) >= 40
    assert {code for _, _, code, _ in expected} == {rule.code for rule in RULES}
