"""A folder means the files in it that somebody wrote; a named file always counts."""

import os

import pytest

import lint

from .conftest import BAD_SOURCE, SAVED_MODELS


def found_paths(target):
    return {finding.path for finding in lint.check(target, select=["BN201"])}


def write(path, text=BAD_SOURCE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_folder_is_searched_to_any_depth(folder):
    write(folder / "a.py")
    write(folder / "x/y/z/b.py")
    assert found_paths(".") == {"a.py", "x/y/z/b.py"}


def test_paths_are_reported_as_they_were_given(folder):
    write(folder / "x/a.py")
    assert found_paths("x") == {"x/a.py"}
    assert found_paths(folder / "x") == {str(folder / "x/a.py")}
    assert found_paths("x/a.py") == {"x/a.py"}


@pytest.mark.parametrize(
    "place", [".git", ".venv", "node_modules", "build", "x/.tox/y", "site-packages"]
)
def test_folders_of_tools_are_left_out(folder, place):
    write(folder / place / "a.py")
    assert found_paths(".") == set()


def test_a_virtual_environment_of_any_name_is_left_out(folder):
    write(folder / "my_env/pyvenv.cfg", "")
    write(folder / "my_env/lib/a.py")
    assert found_paths(".") == set()


def test_a_named_file_is_linted_wherever_it_lies(folder):
    write(folder / "build/a.py")
    assert found_paths("build/a.py") == {"build/a.py"}


def test_a_named_folder_is_searched_whatever_its_name(folder):
    write(folder / "build/a.py")
    assert found_paths("build") == {"build/a.py"}


def test_a_loop_of_links_ends(folder):
    write(folder / "x/a.py")
    (folder / "x/loop").symlink_to(folder)
    (folder / "x/self").symlink_to("self")
    (folder / "x/broken.py").symlink_to("nowhere.py")
    assert [(finding.code, finding.path) for finding in lint.check(".")] == [
        ("BN201", "x/a.py")
    ]


def test_a_link_to_itself_is_unreadable(folder):
    (folder / "loop.py").symlink_to("loop.py")
    (finding,) = lint.check("loop.py")
    assert (finding.code, finding.path) == ("BN001", "loop.py")


@pytest.mark.parametrize("target", [".", "pipe"])
@pytest.mark.parametrize("suffix", [".py", ".ipynb", ".keras", ".h5"])
def test_a_pipe_is_unreadable_and_does_not_stop_the_run(folder, target, suffix):
    os.mkfifo(folder / f"pipe{suffix}")
    (finding,) = lint.check(target if target == "." else f"pipe{suffix}")
    assert (finding.code, finding.path) == ("BN001", f"pipe{suffix}")
    assert "Not a regular file" in finding.message


def test_pipes_beside_a_source_are_not_read(folder):
    write(folder / "a.py", "from helper import build\n" + BAD_SOURCE)
    for name in ("helper.py", "book.ipynb", "requirements.txt", "options.yaml"):
        os.mkfifo(folder / name)
    assert found_paths("a.py") == {"a.py"}  # and does not wait for a writer


@pytest.mark.parametrize("name", ["d.py", "d.keras", "d.h5"])
def test_a_folder_is_one_whatever_its_name(folder, name):
    write(folder / name / "a.py")
    assert found_paths(name) == {f"{name}/a.py"}
    write(folder / name / "saved_model.pb", "")
    assert [finding.code for finding in lint.check(name)] == ["BN003"]


def test_a_file_is_linted_once(command, folder):
    write(folder / "a.py")
    (folder / "b.py").symlink_to("a.py")
    assert command(".", "a.py", "./a.py").out.count("BN201 error") == 1


def test_data_in_hdf5_is_nobodys_mistake_in_a_folder(folder):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "data.h5", "w") as file:
        file["x"] = [1.0, 2.0]
    write(folder / "model.weights.h5", "not looked at")
    write(folder / "notes.txt", "not looked at")
    assert lint.check(".") == []
    assert [finding.code for finding in lint.check("data.h5")] == ["BN003"]


@pytest.mark.parametrize(
    "name", ["m.onnx", "m.tflite", "m.pb", "m.weights.h5", "README.md", "noextension"]
)
def test_a_named_file_of_another_format_is_unsupported(folder, name):
    h5py = pytest.importorskip("h5py")
    write(folder / name, "text")
    if name.endswith(".h5"):
        with h5py.File(folder / name, "w") as file:
            file["layers/dense/vars/0"] = [1.0]
    (finding,) = lint.check(name)
    assert (finding.code, finding.severity, finding.path) == ("BN003", "info", name)
    assert "model.save('model.keras')" in finding.message


def test_a_saved_model_folder_is_unsupported(folder):
    write(folder / "exported/saved_model.pb", "")
    (finding,) = lint.check("exported")
    assert finding.code == "BN003"
    assert "SavedModel" in finding.message


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.keras"])
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_a_file_that_is_not_what_its_name_says_is_unreadable(folder, name, content):
    (folder / name).write_bytes(content)
    (finding,) = lint.check(name)
    assert (finding.code, finding.severity, finding.path) == ("BN001", "error", name)
    assert name in finding.message or "damaged" in finding.message


def test_a_truncated_model_is_unreadable(folder):
    whole = (SAVED_MODELS / "keras-3.15/functional.keras").read_bytes()
    (folder / "m.keras").write_bytes(whole[: len(whole) // 2])
    assert [finding.code for finding in lint.check("m.keras")] == ["BN001"]


def test_a_git_lfs_pointer_is_named_as_such(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    write(folder / "m.h5", pointer)
    (finding,) = lint.check("m.h5")
    assert finding.code == "BN001"
    assert "git lfs pull" in finding.message


def test_a_missing_file_is_unreadable(folder):
    (finding,) = lint.check("nowhere.py")
    assert (finding.code, finding.path) == ("BN001", "nowhere.py")
    assert "No such file" in finding.message


def test_python_2_is_unreadable_with_its_line(folder):
    write(folder / "old.py", 'import keras\nprint "x"\n')
    (finding,) = lint.check("old.py")
    assert (finding.code, finding.line) == ("BN001", 2)
    assert "Python 2" in finding.message


def test_a_broken_notebook_is_unreadable(folder):
    write(folder / "book.ipynb", "{")
    assert [finding.code for finding in lint.check("book.ipynb")] == ["BN001"]


@pytest.mark.parametrize(
    ("name", "text", "severity"),
    [
        ("net_test.py", "def test_net(): pass\n", "info"),
        ("test_net.py", "class NetTest(tf.test.TestCase): pass\n", "info"),
        ("tests/test_net.py", "", "error"),
        ("net.py", "def test_net(): pass\n", "error"),
    ],
)
def test_tests_may_try_out_what_is_wrong(folder, name, text, severity):
    write(folder / name, BAD_SOURCE + text)
    (finding,) = lint.check(name, select=["BN201"])
    assert finding.severity == severity
    assert finding.fix is not None
    assert finding.fix.safe is (severity == "error")
