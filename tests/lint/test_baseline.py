"""The baseline: what is known is not reported, whatever moves; what is new is."""

from __future__ import annotations

import json
import os
import shutil

import pytest

import lint

from .conftest import BAD_SOURCE, GOOD_SOURCE, SAVED_MODELS

LINE = BAD_SOURCE.split("\n")[2]


@pytest.fixture
def known(folder, command):
    """A folder with a baseline of what is in it."""
    (folder / "src").mkdir()
    (folder / "src/a.py").write_text(BAD_SOURCE)
    (folder / "src/b.py").write_text(BAD_SOURCE * 2)
    shutil.copy(SAVED_MODELS / "keras-3.15/sequential.keras", folder / "m.keras")
    outcome = command(".", "--write-baseline", "known.json")
    assert outcome.status == 0
    assert outcome.err == "Wrote 4 findings to known.json.\n"
    assert outcome.out == ""
    return folder


def test_is_not_read_from_a_pipe(folder, command):
    os.mkfifo(folder / "known.json")
    (folder / "a.py").write_text(GOOD_SOURCE)
    outcome = command("a.py", "--baseline", "known.json")
    assert outcome.status == 2
    assert "The baseline is not a file." in outcome.err


def test_holds_path_code_text_and_count(known):
    content = json.loads((known / "known.json").read_text())
    assert content == {
        "version": 1,
        "findings": [
            {"path": "m.keras", "code": "BN201", "layer": "bn_dense", "count": 1},
            {"path": "src/a.py", "code": "BN201", "text": LINE, "count": 1},
            {"path": "src/b.py", "code": "BN201", "text": LINE, "count": 2},
        ],
    }


def test_what_is_known_is_not_reported(known, command):
    outcome = command(".", "--baseline", "known.json")
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.out == (
        "No findings in 3 files.\n4 known findings of the baseline not shown.\n"
    )
    assert command(".").status == 1


@pytest.mark.parametrize(
    "moved",
    [
        "# a new line\n\n" + BAD_SOURCE,
        BAD_SOURCE.replace("bn =", "if True:\n    bn ="),
        BAD_SOURCE.replace("\n", "\r\n"),
        BAD_SOURCE + "\n\nx = 1\n",
    ],
)
def test_lines_may_move(known, command, moved):
    (known / "src/a.py").write_bytes(moved.encode())
    assert command(".", "--baseline", "known.json").status == 0


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/a.py", BAD_SOURCE.replace("0.1", "0.01")),
        ("src/a.py", BAD_SOURCE * 2),
        ("src/b.py", BAD_SOURCE * 3),
        ("src/c.py", BAD_SOURCE),
        ("a.py", BAD_SOURCE),
    ],
)
def test_what_is_new_is_reported(known, command, file, text):
    (known / file).write_text(text)
    outcome = command(".", "--baseline", "known.json", "--output-format", "json")
    assert outcome.status == 1
    assert [entry["path"] for entry in json.loads(outcome.out)] == [file]


@pytest.mark.parametrize("place", [".", "src", ".."])
def test_paths_are_those_beside_the_file(known, command, monkeypatch, place):
    target, baseline = {
        ".": ("src/a.py", "known.json"),
        "src": ("a.py", "../known.json"),
        "..": (f"{known.name}/src", f"{known.name}/known.json"),
    }[place]
    monkeypatch.chdir(known / place)
    for name in (target, (known / "src/a.py").resolve()):
        assert command(name, "--baseline", baseline).status == 0


def test_stale_entries_are_told_in_one_line(known, command):
    (known / "src/a.py").write_text(GOOD_SOURCE)
    (known / "src/b.py").write_text(BAD_SOURCE)
    outcome = command(".", "--baseline", "known.json")
    assert outcome.status == 0
    assert outcome.err == (
        "2 known findings no longer occur. Write the baseline again with "
        f"--write-baseline {known}/known.json.\n"
    )
    (known / "src/a.py").unlink()
    assert "2 known findings" in command(".", "--baseline", "known.json").err


@pytest.mark.parametrize(
    "arguments",
    [["src/b.py"], [".", "--select", "BN1"], [".", "--ignore", "BN201"]],
)
def test_what_was_not_looked_for_is_not_stale(known, command, arguments):
    (known / "src/a.py").write_text(GOOD_SOURCE if "b" in arguments[0] else BAD_SOURCE)
    assert command(*arguments, "--baseline", "known.json").err == ""


def test_is_a_setting_too(known, command):
    (known / "pyproject.toml").write_text(
        "[tool.model-lint]\nbaseline = 'known.json'\n"
    )
    assert command("src").status == 0
    assert lint.check("src") == []
    # Writing it again starts from all there is.
    (known / "src/c.py").write_text(BAD_SOURCE)
    assert command(".").status == 1
    assert "Wrote 5 findings" in command(".", "--write-baseline", "known.json").err
    assert command(".").status == 0


def test_a_notebook_and_a_file_that_cannot_be_read(folder, command):
    cells = [{"cell_type": "code", "source": "import keras"}]
    bad = {"cell_type": "code", "source": [LINE]}
    book = folder / "a.ipynb"
    book.write_text(json.dumps({"cells": [*cells, bad]}))
    (folder / "b.py").write_text("x = (")
    command(".", "--write-baseline", "known.json")
    book.write_text(json.dumps({"cells": [*cells, *cells, bad]}))
    assert command(".", "--baseline", "known.json").status == 0


def test_findings_of_a_frozen_baseline_are_sorted(known, command):
    before = (known / "known.json").read_text()
    command("src/b.py", "m.keras", "src/a.py", "--write-baseline", "known.json")
    assert (known / "known.json").read_text() == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read: No such file"),
        ("", "malformed"),
        ("[]", "malformed"),
        ("{}", "malformed: no 'findings'"),
        ('{"version": 1}', "malformed: no 'findings'"),
        ('{"version": 1, "findings": [3]}', "malformed"),
        ('{"version": 1, "findings": [{"path": "a"}]}', "malformed: no 'code'"),
        (
            '{"version": 1, "findings": [{"path": "a", "code": "B", "count": "1"}]}',
            "a count is '1'",
        ),
        (
            '{"version": 1, "findings": [{"path": 1, "code": "B", "count": 1}]}',
            "an entry is",
        ),
        ('{"version": 2, "findings": []}', "unsupported version. Received: 2"),
        ("[" * 100_000, "malformed"),
        ("\xff", "malformed"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_malformed_is_one_message(folder, command, content, expected):
    (folder / "a.py").write_text(BAD_SOURCE)
    if content is not None:
        (folder / "known.json").write_bytes(content.encode("latin-1"))
    outcome = command("a.py", "--baseline", "known.json")
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("Error: The baseline ")
    assert expected in outcome.err
    assert "--write-baseline" in outcome.err
    assert outcome.err.count("\n") == 1


def test_what_cannot_be_written_is_one_message(folder, command):
    (folder / "a.py").write_text(BAD_SOURCE)
    outcome = command("a.py", "--write-baseline", "nowhere/known.json")
    assert outcome.status == 2
    assert outcome.err == (
        "Error: The baseline cannot be written: No such file or directory. "
        "Received: nowhere/known.json. Nothing was written; choose another place.\n"
    )


@pytest.mark.parametrize("other", ["--fix", "--diff"])
def test_is_not_written_while_fixing(folder, command, other):
    (folder / "a.py").write_text(BAD_SOURCE)
    assert command("a.py", "--write-baseline", "b.json", other).status == 2
    assert (folder / "a.py").read_text() == BAD_SOURCE
