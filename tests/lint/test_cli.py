"""The command: its exit status, its messages, its habits."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import lint
from lint.cli import main
from lint.rules import all_rules

from .conftest import BAD_SOURCE, GOOD_SOURCE, SAVED_MODELS

MODELS = SAVED_MODELS / "keras-3.15"
CLEAN, ERROR, INFO = (
    MODELS / "nested.keras",
    MODELS / "sequential.keras",
    MODELS / "subclassed.keras",
)


@pytest.fixture
def files(folder):
    (folder / "bad.py").write_text(BAD_SOURCE)
    (folder / "good.py").write_text(GOOD_SOURCE)
    (folder / "broken.py").write_text("print 1\n")
    (folder / "broken.keras").write_bytes(b"PK\x03\x04")
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "info.py").write_text(BAD_SOURCE.replace("0.1", "0.85"))
    (folder / "warning.py").write_text(BAD_SOURCE.replace("0.1", "0.7"))
    return folder


class TestExitStatus:
    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            (["good.py"], 0),
            (["bad.py"], 1),
            (["warning.py"], 1),
            (["info.py"], 0),
            (["good.py", "bad.py"], 1),
            (["bad.py", "--exit-zero"], 0),
            (["bad.py", "--ignore", "BN201"], 0),
            (["bad.py", "--select", "BN202"], 0),
            (["bad.py", "--fail-on", "error"], 1),
            (["warning.py", "--fail-on", "error"], 0),
            (["info.py", "--fail-on", "info"], 1),
            (["bad.py", "--fail-on", "never"], 0),
            (["broken.py", "good.py"], 1),
            (["broken.keras", "good.py"], 1),
            (["broken.keras", "good.py", "--ignore", "BN001"], 0),
            (["nowhere.py", "good.py"], 1),
            (["broken.py"], 2),
            (["broken.keras"], 2),
            (["broken.py", "broken.keras", "--exit-zero"], 2),
            (["nowhere.py"], 2),
            (["nowhere.txt", "--ignore", "BN"], 2),
            (["."], 1),
            ([], 2),
            (["bad.py", "--select", "XY1"], 2),
            (["bad.py", "--select", ""], 2),
            (["bad.py", "--output-format", "xml"], 2),
            (["bad.py", "--fail-on", "sometimes"], 2),
            (["bad.py", "--keras-version", "new"], 2),
            (["good.py", "--keras-version", "v3.15"], 0),
            ([""], 2),
            (["good.py", ""], 2),
            (["loop.py"], 2),
            (["loop.py", "good.py"], 1),
            (["good.py/x.py", "good.py"], 1),
            (["good.py", "--output-file", "good.py/x"], 2),
            (["good.py", "--output-file", "loop.py"], 2),
            (["--no-such-option"], 2),
            (["rule"], 2),
            (["rule", "BN999"], 2),
            (["rule", "BN201"], 0),
            (["rules"], 0),
            (["--help"], 0),
            (["--version"], 0),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_is_as_promised(self, files, command, arguments, status):
        outcome = command(*arguments)
        assert outcome.status == status
        assert "Traceback" not in outcome.err
        if status == 2 and arguments:
            assert outcome.err.count("Error: ") == 1

    def test_of_models(self, command):
        assert command(CLEAN).status == 0
        assert command(ERROR).status == 1
        assert command(INFO).status == 0
        assert command(INFO, "--fail-on", "info").status == 1

    def test_what_is_unreadable_is_reported_once(self, files, command):
        outcome = command("broken.keras", "nowhere.py")
        assert outcome.out == ""
        first, *problems = outcome.err.rstrip().split("\n")
        assert first == "Error: No target could be read."
        assert len(problems) == 2
        assert problems[0].startswith(
            "  broken.keras: BN001 Not a complete zip archive"
        )
        assert problems[1] == "  nowhere.py: BN001 No such file. Check the path."

    def test_what_is_unreadable_is_reported_with_its_place(self, files, command):
        (files / "book.ipynb").write_text(
            json.dumps(
                {
                    "cells": [
                        {"cell_type": "code", "source": ""},
                        {"cell_type": "code", "source": "x = 2\nx = ("},
                    ],
                    "nbformat": 4,
                }
            )
        )
        outcome = command("broken.py", "book.ipynb")
        assert "\n  broken.py:1:1: BN001 " in outcome.err
        assert "\n  book.ipynb:cell 2:2:5: BN001 " in outcome.err

    def test_what_is_unreadable_is_in_json_too(self, files, command):
        outcome = command("nowhere.py", "--output-format", "json")
        assert [entry["code"] for entry in json.loads(outcome.out)] == ["BN001"]
        assert outcome.err.startswith("Error: No target could be read.")

    def test_what_is_unreadable_is_never_called_clean(self, files, command):
        outcome = command("good.py", "nowhere.py", "--ignore", "BN001")
        assert outcome.out == "No findings in 1 file.\n1 file could not be read.\n"

    def test_a_notebook_that_is_read_in_part_is_never_called_clean(
        self, files, command
    ):
        cells = [{"cell_type": "code", "source": text} for text in ("x = 1", "x = (")]
        (files / "book.ipynb").write_text(json.dumps({"cells": cells}))
        outcome = command("book.ipynb")
        assert outcome.status == 1
        assert outcome.out.startswith("book.ipynb:cell 2:1:5: BN001 error not valid")
        assert "    1 | x = (\n" in outcome.out
        assert command("book.ipynb", "--ignore", "BN001").out == (
            "No findings in 1 file.\n"
            "1 notebook could be checked only in part; see BN001.\n"
        )

    def test_an_empty_folder_is_unusable(self, folder, command):
        outcome = command(".")
        assert outcome.status == 2
        assert "Nothing to check" in outcome.err
        assert "in the folder" in outcome.err

    def test_an_empty_target_is_not_the_current_folder(self, files, command):
        assert "Received: ''" in command("").err


def test_the_function_finds_what_the_command_finds(files, command):
    printed = json.loads(command(".", "--output-format", "json").out)
    assert printed == [finding.to_json() for finding in lint.check(".")]
    assert len(printed) == 5


def test_several_selectors(files, command):
    both = command("bad.py", "broken.py", "--select", "BN1,BN2", "--select", "BN0")
    assert "BN201" in both.out
    assert "BN001" in both.out
    assert "BN201" not in command("bad.py", "--ignore", "BN1, BN2").out


def test_without_targets_the_help_is_shown(folder, command):
    outcome = command()
    assert "Usage: model-lint [OPTIONS] TARGET..." in outcome.err
    assert outcome.out == ""


def test_help_names_everything(folder, command):
    text = " ".join(command("--help").out.split())
    for option in (
        *("--select", "--ignore", "--output-format", "--output-file", "--statistics"),
        *("--exit-zero", "--keras-version", "--fail-on", "--version"),
        *("rule Explain a rule.", "rules List all rules.", "runs its code"),
    ):
        assert option in text


def test_rule_prints_the_page(folder, command):
    for word in ("BN201", "bn201", "momentum-too-small"):
        page = command("rule", word).out
        assert page.startswith("# BN201 momentum-too-small\n\nerror, for ")
        for heading in ("What it does", "Why is this bad", "Bad", "Good"):
            assert f"\n## {heading}\n" in page


def test_rules_lists_all(folder, command):
    listed = command("rules").out
    for rule in all_rules():
        assert f"{rule.code} {rule.name} ({rule.severity}" in listed


@pytest.mark.parametrize("option", [["--markdown"], ["--output-format", "markdown"]])
def test_rules_are_listed_in_a_table(folder, command, option):
    header, line, *rows = command("rules", *option).out.splitlines()
    assert (header, line) == ("| code | name | | finds |", "|---|---|---|---|")
    assert [row.split(" | ")[0][2:] for row in rows] == [r.code for r in all_rules()]
    assert any(
        row.startswith("| BN404 | l2-before-batch-norm | I, off | ") for row in rows
    )


def test_a_target_named_like_a_command_is_reached_with_a_dot(folder, command):
    (folder / "rules").mkdir()
    (folder / "rules/bad.py").write_text(BAD_SOURCE)
    assert command("./rules").status == 1


def test_a_target_that_begins_with_a_dash_is_reached_after_two(folder, command):
    (folder / "-x.py").write_text(BAD_SOURCE)
    assert command("--", "-x.py").status == 1


class TestOutputFile:
    def test_holds_the_report(self, files, command):
        outcome = command(
            "bad.py", "--output-format", "json", "--output-file", "report.json"
        )
        assert outcome == (1, "", "")
        (finding,) = json.loads((files / "report.json").read_text())
        assert finding["code"] == "BN201"

    def test_replaces_a_whole_file_or_leaves_it(self, files, command, monkeypatch):
        (files / "report.txt").write_text("old")
        names = sorted(files.iterdir())

        def fail(*_, **options):
            raise RuntimeError("half way")

        with monkeypatch.context() as patched:
            patched.setattr("lint.cli.check.write", fail)
            with pytest.raises(RuntimeError, match="half way"):
                main(["bad.py", "--output-file", "report.txt"])
        assert (files / "report.txt").read_text() == "old"
        assert sorted(files.iterdir()) == names
        command("bad.py", "--output-file", "report.txt")
        assert "BN201" in (files / "report.txt").read_text()

    def test_that_cannot_be_written_is_one_message(self, files, command):
        outcome = command("bad.py", "--output-file", "nowhere/report.txt")
        assert outcome.status == 2
        assert outcome.err == (
            "Error: The report cannot be written: No such file or directory. "
            "Received: nowhere/report.txt. Nothing was written; choose another place.\n"
        )

    def test_leaves_a_link_and_writes_where_it_leads(self, files, command):
        (files / "there").mkdir()
        (files / "there/report.txt").write_text("old")
        (files / "link.txt").symlink_to("there/report.txt")
        command("bad.py", "--output-file", "link.txt")
        assert (files / "link.txt").is_symlink()
        assert "BN201" in (files / "there/report.txt").read_text()
        assert [path.name for path in (files / "there").iterdir()] == ["report.txt"]

    def test_makes_what_a_link_leads_to(self, files, command):
        (files / "link.txt").symlink_to("report.txt")
        command("bad.py", "--output-file", "link.txt")
        assert (files / "link.txt").is_symlink()
        assert "BN201" in (files / "report.txt").read_text()

    def test_is_written_in_place_where_it_is_no_regular_file(self, files, command):
        os.mkfifo(files / "pipe")
        reader = os.open(files / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert command("bad.py", "--output-file", "pipe") == (1, "", "")
            assert b"BN201" in os.read(reader, 1 << 16)
        finally:
            os.close(reader)
        assert (files / "pipe").is_fifo()


class TestProcess:
    """What shows only in a process of its own."""

    COMMAND = (sys.executable, "-c", "from lint.cli import main; main()")

    def test_the_installed_script_runs(self, files):
        script = Path(sys.executable).with_name("model-lint")
        done = subprocess.run([script, "bad.py"], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stdout.startswith("bad.py:3:38: BN201 error ")
        assert done.stderr == ""

    @pytest.mark.parametrize("output_format", ["text", "json"])
    @pytest.mark.parametrize("lines", [1, 300])
    def test_a_reader_who_stops_is_no_error(self, files, output_format, lines):
        (files / "bad.py").write_text(BAD_SOURCE * lines)
        process = subprocess.Popen(
            [*self.COMMAND, "bad.py", "--output-format", output_format],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
        process.stdout.close()  # Long before anything is written.
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == 1

    @pytest.mark.parametrize("arguments", ["bad.py", "rules", "rule BN201", "--help"])
    @pytest.mark.parametrize("stream", [1, 2])
    def test_a_closed_stream_is_no_crash(self, files, arguments, stream):
        code = f"import os; os.close({stream}); os.execv({sys.executable!r}, " + (
            f"{[*self.COMMAND, *arguments.split()]!r})"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True)
        assert b"Traceback" not in done.stderr
        if arguments == "bad.py" and stream == 1:
            assert done.returncode == 2
            assert b"Error: The report cannot be written: " in done.stderr
        else:
            assert done.returncode == (1 if arguments == "bad.py" else 0)

    @pytest.mark.parametrize(
        ("arguments", "where"),
        [
            ("bad.py", "the standard output"),
            ("rules", "the standard output"),
            ("--help", "the standard output"),
            ("bad.py --output-file report.txt", "report.txt"),
        ],
    )
    def test_a_full_disk_is_one_message(self, files, arguments, where):
        code = (
            "import os, resource, signal, sys\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "from lint.cli import main\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "main()"
        )
        with (files / "full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments.split()],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert done.returncode == 2
        assert done.stderr.startswith(
            f"Error: The report cannot be written: File too large. Received: {where}."
        )
        assert done.stderr.count("\n") == 1
        assert not (files / "report.txt").exists()

    def test_an_interrupt_ends_it_quietly(self, files):
        fifo = files / "endless"
        os.mkfifo(fifo)
        (files / "slow.py").write_text("open('endless').read()")
        process = subprocess.Popen(
            [*self.COMMAND, "slow:model"], stderr=subprocess.PIPE
        )
        # The command now waits for somebody to write; the open shows that it does.
        with fifo.open("w"):
            for _ in range(3):  # The first may come while Python cannot raise it.
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=20)
                    break
            assert process.wait(timeout=1) == 130
        assert b"Traceback" not in process.stderr.read()
        process.stderr.close()

    def test_another_encoding_is_no_error(self, files):
        (files / "bad.py").write_text(BAD_SOURCE.replace("0.1)", "0.1)  # 名"))
        done = subprocess.run(
            [*self.COMMAND, "bad.py"],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
