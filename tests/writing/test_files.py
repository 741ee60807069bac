"""A file is replaced whole or not at all."""

import os

import pytest

from kerasbn.writing import UnusableFileError, replacing


def test_appears_when_all_went_well(tmp_path):
    path = tmp_path / "model.keras"
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    def half_write():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        half_write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk(tmp_path):
    path = tmp_path / "model.keras"
    with (
        pytest.raises(UnusableFileError, match=r"No space left.*Received: .*model"),
        replacing(path),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["missing/model.keras", "file/model.keras", "folder"])
def test_unwritable_place(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(UnusableFileError, match="Nothing was written"),
        replacing(tmp_path / place) as temporary,
    ):
        temporary.write_bytes(b"new")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with (
        pytest.raises(UnusableFileError, match="Permission denied"),
        replacing(tmp_path / "model.keras"),
    ):
        pass


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_mode_is_that_of_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "model.keras"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "model.keras").stat().st_mode & 0o777 == 0o666 & ~mask


def test_longest_name_that_the_file_system_takes(tmp_path):
    path = tmp_path / ("n" * 249 + ".keras")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"
