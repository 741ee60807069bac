"""The command's options beside those of reports: text, settings, comments, status."""

import io
import json
import sys
import tomllib

import pytest

from lint.cli import _expanded
from lint.rules import all_rules
from lint.settings import SETTINGS, reference

from .conftest import BAD_SOURCE, GOOD_SOURCE, SAVED_MODELS

MODEL = SAVED_MODELS / "keras-3.15/sequential.keras"
FIXED = BAD_SOURCE.replace("0.1", "0.9")


@pytest.fixture
def piped(command, monkeypatch):
    """Runs the command with a text on the standard input."""

    def run(text, *arguments):
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return command(*arguments)

    return run


class TestText:
    def test_is_linted_as_if_it_were_in_its_file(self, folder, piped):
        outcome = piped(BAD_SOURCE, "-")
        assert outcome.status == 1
        assert outcome.out.startswith("-:3:")
        (folder / "pyproject.toml").write_text(
            "[tool.model-lint]\nper-file-ignores = { 'old/*' = ['BN201'] }\n"
        )
        assert piped(BAD_SOURCE, "-", "--stdin-filename", "old/a.py").status == 0
        outcome = piped(BAD_SOURCE, "-", "--stdin-filename", "new/a.py")
        assert outcome.out.startswith("new/a.py:3:")

    def test_is_a_notebook_by_its_name(self, piped):
        cell = {"cell_type": "code", "source": BAD_SOURCE}
        book = json.dumps({"cells": [cell], "nbformat": 4})
        outcome = piped(book, "-", "--stdin-filename", "book.ipynb")
        assert outcome.out.startswith("book.ipynb:cell 1:3:")

    def test_is_printed_with_its_fixes(self, piped):
        outcome = piped(BAD_SOURCE, "-", "--fix")
        assert (outcome.status, outcome.out) == (0, FIXED)
        assert "Fixed 1 finding in 1 file." in outcome.err
        outcome = piped(GOOD_SOURCE, "-", "--fix")
        assert (outcome.status, outcome.out) == (0, GOOD_SOURCE)
        outcome = piped("x = (", "-", "--fix")
        assert (outcome.status, outcome.out) == (2, "x = (")

    def test_has_a_diff(self, folder, piped):
        outcome = piped(BAD_SOURCE, "-", "--diff", "--stdin-filename", "a.py")
        assert outcome.status == 1
        assert outcome.out.startswith("--- a.py\n+++ a.py\n")
        assert list(folder.iterdir()) == []

    def test_that_is_no_source_is_unreadable(self, piped):
        for text in ("x = (", b"\xff", b"\0"):
            outcome = piped(text, "-")
            assert outcome.status == 2
            assert "No target could be read.\n  -" in outcome.err

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-", "a.py"],
            ["-", "--add-noqa"],
            ["-", "--write-baseline", "known.json"],
            ["a.py", "--stdin-filename", "b.py"],
            ["a.py", "--fix", "--add-noqa"],
            ["a.py", "--add-noqa", "--write-baseline", "known.json"],
        ],
    )
    def test_what_does_not_go_together_is_refused(self, folder, piped, arguments):
        (folder / "a.py").write_text(BAD_SOURCE)
        outcome = piped(BAD_SOURCE, *arguments)
        assert outcome.status == 2
        assert "Received: " in outcome.err
        assert (folder / "a.py").read_text() == BAD_SOURCE

    def test_that_is_excluded_by_force_is_passed_over(self, folder, piped):
        (folder / "pyproject.toml").write_text("[tool.model-lint]\nexclude = ['old']\n")
        name = ("--stdin-filename", "old/a.py")
        assert piped(BAD_SOURCE, "-", *name).status == 1
        outcome = piped(BAD_SOURCE, "-", *name, "--force-exclude")
        assert outcome.status == 0
        assert "old/a.py: excluded (exclude)" in outcome.err


class TestSettings:
    def test_are_shown_as_they_hold(self, folder, command):
        (folder / "pyproject.toml").write_text(
            "[tool.model-lint]\nselect = ['BN2']\nkeras-version = '3.15'\n"
            "per-file-ignores = { 'x/*' = ['BN201'] }\n"
        )
        shown = command(".", "--show-settings", "--ignore", "BN203").out
        table = tomllib.loads(shown)["tool"]["model-lint"]
        assert table["select"] == ["BN2"]
        assert table["ignore"] == ["BN203"]
        assert table["keras-version"] == "3.15"
        assert table["per-file-ignores"] == {"x/*": ["BN201"]}
        assert str(folder) in shown

    def test_every_one_is_shown_and_on_the_reference_page(self, folder, command):
        shown = command(".", "--show-settings").out
        page, help_ = reference(), command("--help").out
        for setting in SETTINGS:
            assert f"{setting.key}" in shown
            assert f"\n## {setting.key}\n" in page
            for option in setting.options.split(", "):
                assert option in help_
            value = tomllib.loads(setting.example)[setting.key]
            setting.read(value, setting.key)

    def test_files_are_shown_that_would_be_checked(self, folder, command):
        for name in ("a.py", "old/b.py", "notes.txt"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(BAD_SOURCE)
        assert command(".", "--show-files").out.split() == ["a.py", "old/b.py"]
        assert command(".", "--show-files", "--exclude", "old").out == "a.py\n"

    def test_rules_can_be_added(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE)
        (folder / "pyproject.toml").write_text(
            "[tool.model-lint]\nselect = ['BN202']\nextend-select = ['BN201']\n"
        )
        assert command("a.py").status == 1
        assert command("a.py", "--extend-ignore", "BN201").status == 0
        assert command("a.py", "--select", "BN203").status == 0
        assert command("a.py", "--select", "BN203", "--extend-select", "BN2").status

    def test_what_was_excluded_is_said_when_nothing_is_left(self, folder, command):
        (folder / "old").mkdir()
        (folder / "old/a.py").write_text(BAD_SOURCE)
        outcome = command(".", "--exclude", "old")
        assert outcome.status == 2
        assert "Nothing to check" in outcome.err
        assert "\n  old: excluded (exclude)" in outcome.err
        outcome = command("old/a.py", "--exclude", "old", "--force-exclude")
        assert outcome.status == 0
        assert "No file is left to check.\n  old/a.py: excluded" in outcome.err


class TestComments:
    def test_are_added(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE)
        outcome = command("a.py", "--add-noqa")
        assert (outcome.status, outcome.out) == (0, "")
        assert outcome.err == "Silenced 1 finding in 1 file.\n"
        assert command("a.py").status == 0

    def test_cannot_be_added_to_models(self, folder, command):
        outcome = command(MODEL, "--add-noqa")
        assert outcome.status == 0
        assert "where comments are not possible" in outcome.err


class TestExitStatus:
    def test_non_zero_if_something_was_fixed(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE)
        assert command("a.py", "--fix", "--exit-non-zero-on-fix").status == 1
        assert (folder / "a.py").read_text() == FIXED
        assert command("a.py", "--fix", "--exit-non-zero-on-fix").status == 0


class TestCommands:
    @pytest.mark.parametrize("name", ["check", "rule", "rules", "server"])
    def test_each_has_help(self, command, name):
        outcome = command(name, "--help")
        assert outcome.status == 0
        usage = "Usage: model-lint" + ("" if name == "check" else f" {name}")
        assert outcome.out.startswith(f"{usage} [OPTIONS]")
        assert f"\n  {name}" in command("--help").out

    def test_check_may_be_named(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE)
        assert command("check", "a.py") == command("a.py")

    def test_rules_as_json(self, command):
        entries = json.loads(command("rules", "--output-format", "json").out)
        assert [entry["code"] for entry in entries] == [r.code for r in all_rules()]
        assert entries[0]["severity"] == "error"
        assert all(entry["url"].startswith("https://") for entry in entries)

    def test_a_piped_list_of_rules_is_not_wrapped(self, command, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")
        assert len(command("rules").out.splitlines()) == 2 * len(all_rules())

    def test_patterns_are_expanded_where_the_shell_does_not(self, folder):
        for name in ("b.py", "a.py", "x/c.py"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        assert _expanded("*.py") == ["a.py", "b.py"]
        assert _expanded("nothing*.py") == ["nothing*.py"]
        assert _expanded("a.py") == ["a.py"]
        assert _expanded("--exclude=*.py") == ["--exclude=*.py"]


def test_the_server_without_pygls_is_one_message(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygls", None)
    outcome = command("server")
    assert outcome.status == 2
    assert "pip install 'kerasbn[server]'" in outcome.err


def test_a_finding_is_one_line(folder):
    import lint

    (folder / "a.py").write_text(BAD_SOURCE)
    (finding,) = lint.check("a.py")
    assert str(finding).startswith("a.py:3:")
    assert "\n" not in str(finding)
    assert ": BN201 error momentum=0.1 is too small" in str(finding)
