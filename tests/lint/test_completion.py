"""What the shell completes: click's part, driven as the shell drives it."""

from __future__ import annotations

import pytest

from lint.cli import main
from lint.rules import all_rules

CODES = {rule.code for rule in all_rules()}
NAMES = {rule.name for rule in all_rules()}


@pytest.fixture
def completed(folder, capsys, monkeypatch):
    """What comes after this beginning of a command."""

    def complete(*words: str) -> set[str]:
        monkeypatch.setenv("_MODEL_LINT_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["model-lint", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit):
            main([])
        lines = capsys.readouterr().out.splitlines()
        return {line.partition(",")[2] for line in lines}

    return complete


def test_rules(completed):
    assert completed("--select", "BN20") == {c for c in CODES if c.startswith("BN20")}
    assert completed("a.py", "--ignore", "bn20") == completed("--select", "BN20")
    assert completed("--select", "momentum") == {
        name for name in NAMES if name.startswith("momentum")
    }
    assert completed("--select", "BN101,BN20") == {
        f"BN101,{code}" for code in completed("--select", "BN20")
    }
    assert completed("rule", "BN20") == completed("--select", "BN20")


def test_formats_and_levels(completed):
    formats = {"azure", "concise", "github", "gitlab", "json", "junit", "sarif", "text"}
    assert completed("a.py", "--output-format", "") == formats
    assert completed("--fail-on", "e") == {"error"}


def test_commands_come_first(completed):
    assert completed("r") == {"r", "rule", "rules"}  # `r` stands for files
    assert completed("a.py", "r") == {"r"}


def test_options(completed):
    assert {"--fix", "--fail-on"} <= completed("--f")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_the_shell(folder, monkeypatch, capsys, shell):
    monkeypatch.setenv("_MODEL_LINT_COMPLETE", f"{shell}_source")
    with pytest.raises(SystemExit) as exit_info:
        main([])
    assert exit_info.value.code == 0
    assert "model-lint" in capsys.readouterr().out
