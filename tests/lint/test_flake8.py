"""The plugin, run by flake8 itself."""

import subprocess
import sys

import pytest

from .conftest import BAD_SOURCE

WARNING = BAD_SOURCE.replace("0.1", "0.7")
INFO = BAD_SOURCE.replace("0.1", "0.85")


def flake8(*arguments, text=None):
    done = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", *arguments],
        capture_output=True,
        text=True,
        input=text,
    )
    assert done.stderr == ""
    return done.returncode, [line.split(" ")[0:2] for line in done.stdout.splitlines()]


def test_findings_stand_beside_those_of_flake8(folder):
    (folder / "a.py").write_text(BAD_SOURCE + "import os\n")
    column = BAD_SOURCE.splitlines()[2].index("momentum") + 1
    status, lines = flake8("a.py")
    assert status == 1
    assert [f"a.py:3:{column}:", "BN201"] in lines
    assert "F401" in [code for _, code in lines]
    assert flake8("--select", "BN202", "a.py") == (0, [])
    assert flake8("--extend-ignore", "BN,F,E", "a.py") == (0, [])


@pytest.mark.parametrize(
    ("source", "comment", "codes"),
    [
        (BAD_SOURCE, "", ["BN201"]),
        (BAD_SOURCE, "  # noqa: BN201", []),
        (BAD_SOURCE, "  # noqa", []),
        (BAD_SOURCE, "  # model-lint: ignore[BN201]", []),
        (WARNING, "", ["BN201"]),
        (INFO, "", []),
    ],
)
def test_comments_and_severities(folder, source, comment, codes):
    text = source.rstrip() + comment + "\n"
    _, lines = flake8("-", text=text)
    assert [code for _, code in lines] == codes


def test_settings_hold(folder):
    (folder / "a.py").write_text(WARNING)
    (folder / "b.py").write_text(INFO)
    settings = folder / "pyproject.toml"
    settings.write_text("[tool.model-lint]\nfail-on = 'error'\n")
    assert flake8(".") == (0, [])
    settings.write_text("[tool.model-lint]\nfail-on = 'info'\n")
    assert [code for _, code in flake8(".")[1]] == ["BN201", "BN201"]


def test_the_plugin_is_registered():
    done = subprocess.run(
        [sys.executable, "-m", "flake8", "--version"], capture_output=True, text=True
    )
    assert "kerasbn: " in done.stdout
