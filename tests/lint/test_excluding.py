"""Files that are passed over: settings, `.gitignore`, and what git itself says."""

import shutil
import subprocess

import pytest

import lint
from lint.config import Config, config_for
from lint.excluding import Exclusion
from lint.gitignore import GitIgnore
from lint.run import files_to_check, run

from .conftest import BAD_SOURCE

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not here")


def write(path, text=BAD_SOURCE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def configure(folder, table):
    write(folder / "pyproject.toml", f"[tool.model-lint]\n{table}\n")


def found(*targets, **options):
    config = config_for(targets).override(**options)
    return [path.as_posix() for path in files_to_check(targets, config)]


@pytest.fixture
def tree(folder):
    for name in ("a.py", "x/a.py", "x/y/b.py", "build/c.py", "old/d.py"):
        write(folder / name)
    return folder


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], ["a.py", "old/d.py", "x/a.py", "x/y/b.py"]),
        (["a.py"], ["old/d.py", "x/y/b.py"]),
        (["/a.py"], ["old/d.py", "x/a.py", "x/y/b.py"]),
        (["x/*.py"], ["a.py", "old/d.py", "x/y/b.py"]),
        (["x/**/*.py"], ["a.py", "old/d.py"]),
        (["*.py", "!a.py"], ["a.py", "x/a.py"]),
        (["old"], ["a.py", "x/a.py", "x/y/b.py"]),
        (["./old/"], ["a.py", "x/a.py", "x/y/b.py"]),
        (["a.py/"], ["a.py", "old/d.py", "x/a.py", "x/y/b.py"]),
        (["!build/"], ["a.py", "build/c.py", "old/d.py", "x/a.py", "x/y/b.py"]),
    ],
)
@pytest.mark.parametrize("key", ["exclude", "extend-exclude"])
def test_patterns_are_those_of_gitignore(tree, key, patterns, expected):
    configure(tree, f"{key} = {patterns}")
    assert found(".") == expected


def test_both_settings_count_and_an_option_stands_for_itself(tree):
    configure(tree, "exclude = ['x']\nextend-exclude = ['old']")
    assert found(".") == ["a.py"]
    assert found(".", exclude=["a.py"]) == ["old/d.py", "x/y/b.py"]
    assert found(".", extend_exclude=["/a.py"]) == []


def test_named_files_are_passed_over_only_if_forced(tree):
    configure(tree, "exclude = ['x', '/a.py']")
    named = ("a.py", "x/y/b.py", "old/d.py", "build/c.py", "x")
    assert found(*named) == ["a.py", "x/y/b.py", "old/d.py", "build/c.py", "x/a.py"]
    assert found(*named, force_exclude=True) == ["old/d.py"]
    configure(tree, "exclude = ['x']\nforce-exclude = true")
    assert found("a.py", "x/a.py") == ["a.py"]
    assert found("a.py", "x/a.py", force_exclude=False) == ["a.py", "x/a.py"]


def test_a_pattern_for_a_folder_silences_the_files_in_it(tree):
    configure(tree, "per-file-ignores = { 'x/' = ['BN201'], '!a.py' = ['BN201'] }")
    paths = {finding.path for finding in lint.check(".")}
    assert paths == {"a.py", "old/d.py"}


def test_a_named_folder_is_searched_whatever_excludes_it(tree):
    (tree / ".git").mkdir()
    write(tree / ".gitignore", "old/\nx/y/\nb.py\n")
    write(tree / "old/deep/e.py")
    write(tree / "old/deep/b.py")
    assert found("old") == ["old/d.py", "old/deep/b.py", "old/deep/e.py"]
    assert found("old/deep") == ["old/deep/b.py", "old/deep/e.py"]
    assert found("x") == ["x/a.py"]
    assert found("old", force_exclude=True) == []
    configure(tree, "exclude = ['old']")
    assert "old/d.py" in found("old")


def test_why_files_are_passed_over_is_known(tree):
    (tree / ".git").mkdir()
    write(tree / ".gitignore", "old/\n")
    configure(tree, "exclude = ['x/y']")
    passed = run(["."], config_for(["."])).passed_over
    assert {path.as_posix(): why for path, why in passed.items()} == {
        ".git": "a folder of tools or products",
        "build": "a folder of tools or products",
        "old": ".gitignore",
        "x/y": "exclude",
    }


def test_gitignore_counts_in_repositories_only(tree):
    write(tree / ".gitignore", "old/\n")
    assert "old/d.py" in found(".")
    (tree / ".git").mkdir()
    assert "old/d.py" not in found(".")
    assert "old/d.py" in found(".", respect_gitignore=False)
    assert found("old/d.py") == ["old/d.py"]
    assert found("old/d.py", force_exclude=True) == []


IGNORED = {
    ".gitignore": "*.log\n/top.py\nout/\n!keep.log\n\\#odd\n# comment\ntrail.py   \n"
    "doc/*.py\n**/deep/z.py\na/**/m.py\nfoo*\n!foobar.py\n",
    "sub/.gitignore": "!top.py\nlocal.py\n/only_here.py\nout2\n",
    "sub/deep/.gitignore": "*\n!.gitignore\n!seen.py\n",
    "out/.gitignore": "!inside.py\n",
    ".git/info/exclude": "private.py\n",
}
PATHS = (
    *("top.py", "x.log", "keep.log", "#odd", "trail.py", "doc/a.py", "doc/b/a.py"),
    *("out/inside.py", "out/x/y.py", "a/m.py", "a/b/c/m.py", "b/a/m.py", "private.py"),
    *("sub/top.py", "sub/local.py", "sub/x/local.py", "sub/only_here.py"),
    *("sub/x/only_here.py", "sub/out2", "sub/out2/a.py", "sub/deep/z.py"),
    *("sub/deep/seen.py", "sub/deep/q/seen.py", "foo.py", "foobar.py", "foo/bar.py"),
    *("sub/x/private.py", "plain.py", "sub/plain.py", "out.py", "x/out/a.py"),
)


@needs_git
@pytest.mark.parametrize("windows_line_ends", [False, True])
def test_gitignore_means_what_git_says(folder, monkeypatch, windows_line_ends):
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home/.config"))
    write(folder / "home/.config/git/ignore", "mine.py\n")
    repository = folder / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for name, text in IGNORED.items():
        end = "\r\n" if windows_line_ends and "out/" not in name else "\n"
        file = repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.replace("\n", end).encode())
    paths = [*PATHS, "mine.py", "sub/mine.py"]
    files = [path for path in paths if not any(p.startswith(f"{path}/") for p in paths)]
    for name in files:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("x = 1\n")
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=repository,
        input="\n".join(files),
        capture_output=True,
        text=True,
    )
    expected = {line.strip('"') for line in done.stdout.splitlines()}
    git = GitIgnore()
    assert {each for each in files if git.ignores(repository / each)} == expected
    assert len(expected) > 15


def test_the_users_own_file_is_found_in_the_settings_of_git(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    write(folder / "mine", "secret.py\n")
    write(
        folder / ".gitconfig", "[user]\n\tname = x\n[core]\n\texcludesFile = ~/mine\n"
    )
    (folder / "r/.git").mkdir(parents=True)
    assert GitIgnore().ignores(folder / "r/secret.py")
    assert not GitIgnore().ignores(folder / "r/other.py")


def test_a_repository_within_another_has_its_own_rules(folder):
    (folder / ".git").mkdir()
    write(folder / ".gitignore", "a.py\n")
    (folder / "inner/.git").mkdir(parents=True)
    git = GitIgnore()
    assert git.ignores(folder / "x/a.py")
    assert not git.ignores(folder / "inner/a.py")


def test_odd_files_of_patterns_exclude_nothing(folder):
    (folder / ".git").mkdir()
    (folder / ".gitignore").mkdir()
    write(folder / "a.py")
    assert found(".") == ["a.py"]
    assert not Exclusion(Config()).leaves_out(folder / "a.py", is_folder=False)


USING = """
import keras
from settings import MOMENTUM

norm = keras.layers.BatchNormalization(momentum=MOMENTUM)
"""


@pytest.mark.parametrize(
    ("targets", "places"),
    [
        (["."], ["settings.py:1"]),
        (["settings.py"], ["settings.py:1"]),
        (["a.py", "b.py"], ["a.py:5", "b.py:5"]),
        (["a.py", "settings.py"], ["settings.py:1"]),
        ([".", "--exclude", "settings.py"], ["a.py:5", "b.py:5"]),
        ([".", "--exclude", "a.py"], ["settings.py:1"]),
    ],
)
def test_a_shared_number_is_reported_once_unless_its_file_is_left_out(
    folder, command, targets, places
):
    (folder / "settings.py").write_text("MOMENTUM = 0.1\n")
    for name in ("a.py", "b.py"):
        (folder / name).write_text(USING)
    done = command(*targets, "--output-format", "concise")
    lines = [line for line in done.out.splitlines() if "BN201" in line]
    assert [":".join(line.split(":")[:2]) for line in lines[:-1]] == places
