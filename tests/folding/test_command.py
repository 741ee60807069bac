"""The command from outside: its exit status, what it leaves, and what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile

import keras
import pytest
from click.testing import CliRunner

import kerasbn
from kerasbn.cli import main

from .models import L, randomise

EVIL = "x\x1b]0;title\x07\x1b[2J\u202e\x9b31m\ny"
MARKED = "x\u202ey"  # Names with control characters are refused.
COMMAND = [sys.executable, "-m", "kerasbn.cli"]

# The signal comes when the event comes for the second time in the destination's folder.
STOPPED = """
import os, signal, sys
number, event, source, destination, *options = sys.argv[1:]
signal.signal(int(number), signal.SIG_DFL)  # A background job ignores Ctrl-C.
state = {"armed": True}
def hook(name, args):
    place = args[0] if name in ("open", "os.rename", "os.remove") else None
    if name != event or not state["armed"] or not isinstance(place, (str, os.PathLike)):
        return
    folder = os.path.dirname(os.path.realpath(destination))
    if os.path.dirname(os.fspath(place)) == folder and os.listdir(folder):
        state["armed"] = False
        os.kill(os.getpid(), int(number))
sys.addaudithook(hook)
sys.argv = ["model-fold", source, destination, *options]
import kerasbn
from kerasbn.cli import main
main()
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "in.keras"
    model = keras.Sequential([keras.Input((3,)), L.Dense(4)])
    model.add(L.BatchNormalization(name="bn"))
    model.add(L.Activation("tanh", name="tanh"))
    model.add(L.BatchNormalization(name=MARKED))
    model.add(L.Activation("tanh"))
    randomise(model).save(path)
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("event", ["open", "os.rename"])
@pytest.mark.parametrize(
    ("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]
)
def test_a_signal_leaves_nothing(saved, tmp_path, name, status, event):
    destination = tmp_path / "out.keras"
    number = str(int(getattr(signal, name)))
    command = [sys.executable, "-c", STOPPED, number, event, saved, destination]
    done = subprocess.run([*command, "--no-verify"], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert done.stderr == f"Error: Stopped by {name}.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"]])
def test_a_full_output_does_not_change_what_the_status_says(saved, tmp_path, options):
    destination = tmp_path / "out.keras"
    command = [*COMMAND, saved, destination, "--no-verify", *options]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    is_dry = "--dry-run" in options
    assert done.returncode == (2 if is_dry else 0)
    assert done.stderr == (
        "Error: The result cannot be printed: No space left on device.\n"
    )
    assert destination.exists() is not is_dry


@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_an_output_without_a_reader_is_no_error(saved, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, saved, tmp_path / "out.keras", "--no-verify"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_a_closed_output_does_not_end_up_in_the_model(saved, tmp_path):
    command = [*COMMAND, saved, tmp_path / "out.keras", "--no-verify"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command])
    assert done.returncode == 0
    with zipfile.ZipFile(tmp_path / "out.keras") as container:
        assert container.testzip() is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("{saved}", "{folder}/out.keras", "--no-verify"),
        ("{saved}", f"{{folder}}/{EVIL}.keras", "--no-verify"),
        (f"{{folder}}/{EVIL}.keras", "{folder}/out.keras", "--no-verify"),
        ("{saved}", "{folder}/out.keras", "--picture", EVIL),
        ("{saved}", "{folder}/out.keras", f"--{EVIL}"),
        ("{saved}", "{folder}/out.keras", "--import", EVIL),
    ],
)
def test_nothing_that_a_terminal_obeys_is_printed(saved, tmp_path, arguments):
    done = run(
        *(argument.format(saved=saved, folder=tmp_path) for argument in arguments)
    )
    assert r"\u202e" in done.output
    assert not set(done.output) & set("\x1b\x07\u202e\x9b")


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("other", ["source", "destination"])
def test_a_picture_never_replaces_a_model(saved, tmp_path, other, link, force):
    source, destination = tmp_path / "in.keras", tmp_path / "out.keras"
    source.write_bytes(saved.read_bytes())
    if force:
        destination.write_bytes(saved.read_bytes())
    picture = tmp_path / "p.svg"
    target = source if other == "source" else destination
    if link == "hardlink_to" and not target.exists():
        return
    getattr(picture, link)(target)
    done = run(source, destination, "--no-verify", "--picture", picture, *force)
    assert done.exit_code == 2
    assert "picture" in done.stderr
    assert source.read_bytes() == saved.read_bytes()
    assert destination.exists() is bool(force)


def test_a_picture_is_replaced_by_force_alone(saved, tmp_path):
    picture = tmp_path / "p.svg"
    picture.write_text("by hand")
    arguments = [saved, tmp_path / "out.keras", "--no-verify", "--picture", picture]
    assert run(*arguments).exit_code == 2
    assert picture.read_text() == "by hand"
    assert not (tmp_path / "out.keras").exists()
    assert run(*arguments, "--force").exit_code == 0
    assert picture.read_text().startswith("<svg")


def test_the_steps_are_shown(saved, tmp_path):
    from kerasbn import fold_file

    steps = []
    fold_file(saved, tmp_path / "out.keras", verify=False, progress=steps.append)
    assert steps == ["Reading and planning", "Writing"]


def test_the_help_has_no_marks_of_its_own():
    text = run("--help").output
    assert "\\b" not in text
    assert "130" in text


def test_json_on_failure_holds_all_keys(saved, tmp_path):
    failed = run(tmp_path / "none.keras", tmp_path / "out.keras", "--json")
    made = run(saved, tmp_path / "out.keras", "--no-verify", "--json")
    report = json.loads(failed.stdout)
    assert report.keys() == json.loads(made.stdout).keys()
    assert "No such file" in report["message"]


def test_parameters_are_those_that_keras_counts(tmp_path):
    """Also of what is stored twice, or is no weight to Keras."""
    inputs = keras.Input((6, 6, 3))
    x = L.SpectralNormalization(L.Conv2D(4, 3))(L.RandomFlip()(inputs))
    x = L.Activation("tanh")(L.BatchNormalization()(x))
    x = kerasbn.BatchNormalization(zero_debias=True)(L.Dropout(0.5)(x))
    shared = keras.Sequential([keras.Input((4, 4, 4)), L.Dense(4), L.GaussianNoise(1)])
    x = L.BatchNormalization(trainable=False)(shared(shared(L.Activation("tanh")(x))))
    model = keras.Model(inputs, L.Dense(2)(L.Activation("tanh")(x)))
    model.save(tmp_path / "in.keras")
    result = kerasbn.fold_file(
        tmp_path / "in.keras", tmp_path / "out.keras", verify=False
    )
    assert result.before.parameters == model.count_params()
    folded = keras.models.load_model(tmp_path / "out.keras")
    assert result.after.parameters == folded.count_params()


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize(
    ("event", "suffix", "status", "written"),
    [
        ("os.rename", ".svg", 143, []),
        # It looks for what is left of the temporary file.
        ("os.remove", ".keras", 0, ["out.keras", "picture.svg"]),
    ],
)
def test_a_signal_leaves_both_model_and_picture_or_neither(
    saved, tmp_path, force, event, suffix, status, written
):
    early = "os.path.dirname(os.fspath(place)) == folder and os.listdir(folder)"
    assert early in STOPPED
    late = STOPPED.replace(early, f"os.fspath(place).endswith({suffix!r})")
    destination, picture = tmp_path / "out.keras", tmp_path / "picture.svg"
    number = str(int(signal.SIGTERM))
    command = [sys.executable, "-c", late, number, event, saved, destination]
    options = ["--no-verify", "--picture", picture, *force]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == written


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("folder.svg", "Is a directory"),
        ("pipe.svg", "a device, a pipe"),
        ("missing/p.svg", "No such file or directory"),
        ("out.keras/p.svg", "No such file or directory"),
        ("/proc/p.svg", "No such file or directory"),  # Root may write elsewhere.
    ],
)
def test_a_picture_that_cannot_be_written_is_said_before_anything_is_read(
    tmp_path, place, message, dry_run
):
    (tmp_path / "folder.svg").mkdir()
    os.mkfifo(tmp_path / "pipe.svg")
    options = ["--no-verify", "--picture", tmp_path / place, *dry_run, "--force"]
    done = run(tmp_path / "missing.keras", tmp_path / "out.keras", *options)
    assert done.exit_code == 2
    assert f"The picture cannot be written: {message}" in done.stderr or (
        "The picture would replace a device, a pipe" in done.stderr
    )
    assert not (tmp_path / "out.keras").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError(1)])
def test_where_the_picture_fails_there_is_no_model(saved, tmp_path, monkeypatch, error):
    def draw(_):
        raise error

    monkeypatch.setattr(kerasbn.FoldResult, "picture", draw)
    picture = tmp_path / "p.svg"
    done = run(saved, tmp_path / "out.keras", "--no-verify", "--picture", picture)
    assert done.exit_code == 2
    if isinstance(error, OSError):
        assert "The picture cannot be written: No space left" in done.stderr
    assert list(tmp_path.iterdir()) == []
