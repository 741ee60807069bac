"""What the tests of the lint share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lint.cli import main

SAVED_MODELS = Path(__file__).parents[1] / "fixtures" / "saved_models"
BAD_SOURCE = "import keras\n\nbn = keras.layers.BatchNormalization(momentum=0.1)\n"
GOOD_SOURCE = "import keras\n\nbn = keras.layers.BatchNormalization(momentum=0.9)\n"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder with no configuration above it that counts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(folder, capsys):
    """Runs `model-lint` with these arguments, within this process."""

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(exit_info.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def subprocess_python():
    """Runs Python code in a process of its own."""

    def run(code: str, *arguments: str, cwd: Path | None = None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
