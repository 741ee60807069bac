"""Text that is not saved is linted as if it were in its file."""

import json

import pytest

import lint

from .conftest import BAD_SOURCE


def found(text, path="text.py", **options):
    return [
        (finding.code, finding.line, finding.path)
        for finding in lint.check_text(text, path, **options)
    ]


def test_text_without_a_path(folder):
    assert found(BAD_SOURCE) == [("BN201", 3, "text.py")]
    assert found(BAD_SOURCE.encode()) == [("BN201", 3, "text.py")]
    assert found("x = 1\n") == []
    assert found(BAD_SOURCE, select="BN202") == []
    assert found(BAD_SOURCE, ignore=["BN2"]) == []


def test_what_is_in_the_file_does_not_count(folder):
    (folder / "a.py").write_text(BAD_SOURCE)
    assert found("x = 1\n", "a.py") == []
    (folder / "a.py").write_text("x = (\n")
    assert found(BAD_SOURCE, "a.py") == [("BN201", 3, "a.py")]


def test_imports_and_settings_are_looked_up_from_the_path(folder):
    (folder / "pkg").mkdir()
    (folder / "pkg/constants.py").write_text("MOMENTUM = 0.1\n")
    text = (
        "import keras\nfrom constants import MOMENTUM\n"
        "bn = keras.layers.BatchNormalization(momentum=MOMENTUM)\n"
    )
    assert [code for code, *_ in found(text, "pkg/new.py")] == ["BN201"]
    assert found(text, "new.py") == []
    (folder / "pyproject.toml").write_text(
        "[tool.model-lint]\nper-file-ignores = { 'pkg/*' = ['BN201'] }\n"
    )
    assert found(text, "pkg/new.py") == []
    assert found(BAD_SOURCE, "new.py") == [("BN201", 3, "new.py")]


def test_a_file_that_is_excluded_by_force_is_passed_over(folder):
    (folder / "pyproject.toml").write_text(
        "[tool.model-lint]\nexclude = ['old/']\nforce-exclude = true\n"
    )
    assert found(BAD_SOURCE, "old/a.py") == []
    assert found(BAD_SOURCE, "a.py") == [("BN201", 3, "a.py")]


def test_notebooks_are_text_too(folder):
    cell = {"cell_type": "code", "source": BAD_SOURCE}
    book = json.dumps({"cells": [cell], "nbformat": 4})
    assert found(book, "book.ipynb") == [("BN201", 3, "book.ipynb")]


@pytest.mark.parametrize("text", ["x = (", "print 1", "\0", "\ud800", b"\xff"])
def test_what_is_no_source_is_unreadable(folder, text):
    assert [code for code, *_ in found(text)] == ["BN001"]
