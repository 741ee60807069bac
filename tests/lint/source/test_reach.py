"""Texts that imports lead to: whatever names can be followed into is among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import Project, read_module
from lint.subjects.source.reading.limits import FILES_REACHED
from lint.subjects.source.reading.reach import may_reach

if TYPE_CHECKING:
    from pathlib import Path


def has_word(text: str) -> bool:
    return "WORD" in text


def reaches(
    root: Path, text: str, files: dict[str, str], name: str = "main.py"
) -> bool:
    """Whether a module of that text, among those files, reaches the word."""
    for path, content in {**files, name: text}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return may_reach(read_module(root / name, Project(root)), has_word)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("WORD = 1", "other.py"),
        ("import a", "a.py"),
        ("import a as b, c", "c.py"),
        ("import a.b.c", "a/b/c.py"),
        ("import a.b.c\na.d", "a/d.py"),  # an attribute of the package
        ("from a import b", "a.py"),
        ("from a import b", "a/__init__.py"),
        ("from a import b", "a/b.py"),
        ("from a import b", "a/b/c.py"),
        ("from a.b import (\n    c,  # first\n    d,\n)", "a/b/d.py"),
        ("from a import b, \\\n    c", "a/c.py"),
        ("from a import *", "a/b.py"),
        ("from . import a", "a.py"),
        ("from .a import b", "a/b.py"),
        ("def f():\n    try:\n        import a\n    except ImportError: pass", "a.py"),
        ("import a", "src/a.py"),
        ("import a; import b", "a.py"),
    ],
)
def test_word_is_reached(tmp_path: Path, text: str, place: str) -> None:
    assert reaches(tmp_path, text, {place: "WORD"})


def test_word_is_reached_through_files(tmp_path: Path) -> None:
    files = {"a.py": "from b import c", "b/__init__.py": "from .d import c"}
    assert reaches(tmp_path, "import a", {**files, "b/d.py": "c = 'WORD'"})


def test_parents_are_reached(tmp_path: Path) -> None:
    files = {"p/__init__.py": "", "p/q/__init__.py": "", "p/a.py": "WORD"}
    assert reaches(tmp_path, "from ..a import b", files, "p/q/main.py")


@pytest.mark.parametrize(
    "text", ["", "import numpy", "from b import c", "# import a", "import keras"]
)
def test_other_files_are_not_reached(tmp_path: Path, text: str) -> None:
    files = {"a.py": "WORD", "b.py": "import main", "keras/__init__.py": "WORD"}
    assert not reaches(tmp_path, text, files)


def test_too_many_files_may_hold_it(tmp_path: Path) -> None:
    files = {f"a/m{number}.py": "" for number in range(FILES_REACHED + 1)}
    assert reaches(tmp_path, "from a import *", {**files, "a/__init__.py": ""})
