"""Several processes find what one does, and a bar shows how far they are."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from lint import UsageError, parallel, progress
from lint.config import Config
from lint.linter import Linter, Result
from lint.run import run

from .conftest import BAD_SOURCE, SAVED_MODELS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "source"


@pytest.fixture
def many(folder, monkeypatch):
    """A folder of files of all kinds, of which a process takes four."""
    shutil.copytree(FIXTURES, folder / "source")
    (folder / "broken.py").write_text("x = (")
    (folder / "silenced.py").write_text(BAD_SOURCE.replace(")", ")  # noqa"))
    for name in ("nested.h5", "sequential.keras", "subclassed.keras"):
        shutil.copy(SAVED_MODELS / "keras-3.15" / name, folder / name)
    monkeypatch.setattr(parallel, "_FEWEST_EACH", 4)
    monkeypatch.setattr(parallel, "_CHUNK", 3)
    return folder


def test_processes_find_what_one_does(many):
    (many / "known.json").write_text(
        '{"version": 1, "findings": [{"path": "sequential.keras", "code": "BN201", '
        '"layer": "bn_dense", "count": 2}]}'
    )
    config = Config(baseline=many / "known.json", exclude=("bn104_hard_coded.py",))
    one, two = (run(["."], config, jobs=jobs) for jobs in (1, 2))
    assert one == two
    assert len(one.findings) > 50
    assert (one.known, one.stale) == (1, 1)
    assert one.unread


def test_neighbours_are_linted_one_after_the_other(folder, monkeypatch):
    """As they share what they import; they are reported in the order they are named."""
    named = [f"{package}/{name}.py" for name in "ab" for package in "yx"]
    for name in named:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(BAD_SOURCE)
    linted = []
    check_file = Linter.check_file

    def recorded(linter, path, data=None):
        linted.append(str(path))
        return check_file(linter, path, data)

    monkeypatch.setattr(Linter, "check_file", recorded)
    report = run(named, Config())
    assert linted == ["x/a.py", "x/b.py", "y/a.py", "y/b.py"]
    assert list(report.checked) == named
    assert [finding.location.path for finding in report.findings] == linted


def test_a_process_that_crashes_is_one_message(many, monkeypatch):
    monkeypatch.setattr(parallel, "_check", os._exit)
    statuses = list(range(1, 10))  # in place of files
    with pytest.raises(UsageError, match="crashed"):
        list(parallel.check_files(statuses, None, Config(), 2))


WAITING = """
import time
from lint import parallel
from lint.config import Config

parallel._FEWEST_EACH = parallel._CHUNK = 1
parallel._check = time.sleep
for _ in parallel.check_files([0, 0, 600], None, Config(), 2):
    print(flush=True)
"""


def test_processes_end_with_a_run_that_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, start_new_session=True
    ) as run:
        assert run.stdout.readline()
        run.kill()
        try:
            run.communicate(timeout=20)  # The pipe is open until all have ended.
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)


def test_few_files_need_no_processes(folder):
    (folder / "a.py").write_text(BAD_SOURCE)
    results = parallel.check_files([folder / "a.py"], FakeLinter(), Config(), 8)
    assert list(results) == [folder / "a.py"]


class FakeLinter:
    def check_file(self, path):
        return path


class Terminal(io.StringIO):
    def isatty(self):
        return True


def results():
    return iter([Result(str(number), []) for number in range(20)])


@pytest.mark.parametrize(("patience", "shown"), [(-1.0, True), (60.0, False)])
def test_a_long_run_shows_a_bar_on_a_terminal(monkeypatch, patience, shown):
    monkeypatch.setattr(progress, "_PATIENCE", patience)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert [each.name for each in progress.progress(results(), 20)] == [
        str(number) for number in range(20)
    ]
    assert ("Checking" in sys.stderr.getvalue()) is shown


def test_nothing_is_shown_where_nobody_watches(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    assert len(list(progress.progress(results(), 20))) == 20
    assert capsys.readouterr() == ("", "")
