"""Bugs of public training scripts: their patterns are found, corrected ones are not.

`references.toml` names the scripts; the fixtures rebuild their patterns.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from .fixtures import FIXTURES, Found, expected_in, found_in

FOLDER = FIXTURES / "source" / "references"
REFERENCES = tomllib.loads(
    Path(__file__).with_name("references.toml").read_text(encoding="utf-8")
)["reference"]
PATTERNS = sorted({reference["pattern"] for reference in REFERENCES})


def files_of(pattern: str) -> list[Path]:
    """The one file of a pattern, or the files of its folder."""
    single = FOLDER / f"{pattern}.py"
    return [single] if single.is_file() else sorted((FOLDER / pattern).glob("*.py"))


def found_in_files_of(pattern: str) -> list[Found]:
    paths = files_of(pattern)
    return found_in(*paths, root=paths[0].parent)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pattern_is_found(pattern: str) -> None:
    expected = expected_in(*files_of(pattern))
    assert expected
    assert found_in_files_of(pattern) == expected


@pytest.mark.parametrize("pattern", PATTERNS)
def test_corrected_pattern_is_silent(pattern: str) -> None:
    assert not expected_in(*files_of(f"{pattern}_fixed"))
    assert found_in_files_of(f"{pattern}_fixed") == []


def test_every_fixture_is_of_a_reference() -> None:
    names = {path.stem for path in FOLDER.iterdir() if path.name != "__pycache__"}
    assert names == {
        f"{pattern}{end}" for pattern in PATTERNS for end in ("", "_fixed")
    }


def test_references_are_enough() -> None:
    places = {
        (reference["repository"], reference["path"], reference["line"])
        for reference in REFERENCES
    }
    assert len(places) == len(REFERENCES) >= 55
    assert len({reference["repository"] for reference in REFERENCES}) >= 45
    assert len({reference["rule"] for reference in REFERENCES}) >= 5


@pytest.mark.parametrize(
    "reference",
    REFERENCES,
    ids=lambda reference: (
        f"{reference['repository']}-{reference['rule']}-{reference['line']}"
    ),
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
    rules = {
        code for _, _, code, _ in expected_in(*files_of(str(reference["pattern"])))
    }
    assert reference["rule"] in rules
