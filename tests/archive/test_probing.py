"""The HDF5 library may loop for ever or crash: then another process does."""

import subprocess
import sys
import textwrap

import pytest

from kerasbn import isolation
from kerasbn.archive import UnusableFileError, open_archive, probing

from .files import SAVED_MODELS

FILE = SAVED_MODELS / "keras-3.15" / "functional.h5"
SETUP = """
import os, time
from kerasbn import isolation
from kerasbn.archive import UnusableFileError, isolated
isolation.SECONDS = 1
"""


def said(code):
    """What a fresh process prints, which loads no framework and has one thread."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("ends", "message"),
    [("while True: pass", "did not return"), ("os.abort()", "crashes")],
)
def test_what_does_not_end_well_is_unusable(ends, message):
    code = f"""
    def read():
        {ends}
    try:
        isolated(read)
    except UnusableFileError as error:
        print(error)
    """
    assert message in said(code)


def test_results_and_errors_come_back():
    code = """
    print(isolated(lambda: [1, "two" * 100_000])[0])
    try:
        isolated(lambda: {}["missing"])
    except KeyError as error:
        print(error)
    """
    assert said(code) == "1\n'missing'\n"


def test_a_process_that_is_kept_reads_file_after_file(monkeypatch, tmp_path):
    monkeypatch.setattr(isolation, "may_fork", lambda: False)
    damaged = tmp_path / "damaged.h5"
    content = bytearray(FILE.read_bytes())
    content[800:900] = b"x" * 100
    damaged.write_bytes(content)
    open_archive(FILE).close()
    with pytest.raises(UnusableFileError, match=r"damaged\.h5"):
        open_archive(damaged)
    open_archive(FILE).close()
    probing._SERVER._process.kill()  # As if the library had crashed.
    with pytest.raises(UnusableFileError, match="crashes"):
        open_archive(FILE)
    open_archive(FILE).close()


def test_that_process_reads_in_the_folder_of_this_one(monkeypatch, tmp_path):
    monkeypatch.setattr(isolation, "may_fork", lambda: False)
    open_archive(FILE).close()  # Starts it.
    (tmp_path / "model.h5").write_bytes(FILE.read_bytes())
    monkeypatch.chdir(tmp_path)
    with open_archive("model.h5") as archive:
        assert archive.config["class_name"] == "Functional"
