"""A disk that is full at any byte: a clear message, and nothing is left behind."""

import subprocess
import sys
import zipfile

import keras
import pytest

import kerasbn
from kerasbn.archive.member_view import MemberWriter

pytest.importorskip("resource")

CODE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop()),) * 2)
from kerasbn.cli import main
main()
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A file, and the size of what folding makes of it."""
    inputs = x = keras.Input((64,))
    for _ in range(6):
        x = keras.layers.BatchNormalization()(keras.layers.Dense(64)(x))
    folder = tmp_path_factory.mktemp("full")
    keras.Model(inputs, x).save(folder / "in.keras")
    kerasbn.fold_file(folder / "in.keras", folder / "out.keras", verify=False)
    return folder / "in.keras", (folder / "out.keras").stat().st_size


def fold_within(limit, source, destination):
    command = [sys.executable, "-c", CODE, source, destination, "--no-verify"]
    return subprocess.run([*command, str(limit)], capture_output=True, text=True)


# From nothing at all, by way of HDF5's own data and the arrays, to the last byte.
@pytest.mark.parametrize("share", [0, 0.05, 0.2, 0.5, 0.8, 0.98, 1])
def test_limit_on_the_file_size(source, tmp_path, share):
    path, size = source
    done = fold_within(int(share * size) - (share == 1), path, tmp_path / "out.keras")
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "File too large" in done.stderr
    assert "Nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_just_fits(source, tmp_path):
    path, size = source
    done = fold_within(size, path, tmp_path / "out.keras")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "out.keras") as container:
        assert container.testzip() is None


def test_the_first_error_is_kept_and_later_writes_are_dropped(tmp_path):
    class Full:
        calls = 0

        def seek(self, _):
            pass

        def write(self, _):
            Full.calls += 1
            raise OSError(28, f"No space left, {Full.calls}")

    writer = MemberWriter(Full(), 0)
    assert writer.write(b"abc") == 3
    assert writer.write(b"de") == 2
    assert writer.tell() == 5
    with pytest.raises(OSError, match="No space left, 1"):
        writer.check()
    assert Full.calls == 1
