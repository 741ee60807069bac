"""The pre-commit hook, run by pre-commit itself, from this repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]
BAD = "import keras\n\nbn = keras.layers.BatchNormalization(momentum=0.1)\n"


def git(folder, *arguments):
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
def test_the_hook_finds_passes_over_and_needs_no_framework(tmp_path):
    hooks = tmp_path / "hooks"
    left_out = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, hooks, ignore=left_out)
    git(tmp_path, "init", "-q", str(hooks))
    git(hooks, "add", "-A")
    git(hooks, "commit", "-q", "-m", "hooks")

    work = tmp_path / "work"
    (work / "old").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(work))
    for name in ("bad.py", "old/bad.py"):
        (work / name).write_text(BAD)
    (work / "good.py").write_text("x = 1\n")
    (work / "pyproject.toml").write_text("[tool.model-lint]\nexclude = ['old/']\n")
    git(work, "add", "-A")

    def run(*files):
        hook = ("-m", "pre_commit", "try-repo", str(hooks), "model-lint", "--files")
        return subprocess.run(
            [sys.executable, *hook, *files],
            cwd=work,
            env=os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
        )

    done = run("bad.py", "good.py", "old/bad.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("BN201 error") == 1
    assert run("good.py", "old/bad.py").returncode == 0
    installed = {path.name.lower() for path in (tmp_path / "home").rglob("*")}
    assert not installed & {"keras", "tensorflow", "torch", "jax"}
