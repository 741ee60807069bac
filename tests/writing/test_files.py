"""A file is replaced whole or not at all, and nothing else is."""

import os

import pytest

from kerasbn.writing import UnusableFileError, replacing, replacing_folder


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


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("link", [True, False])
def test_a_pipe_stays_one(tmp_path, link, force):
    pipe = place = tmp_path / "pipe"
    os.mkfifo(pipe)
    if link:
        place = tmp_path / "link"
        place.symlink_to(pipe)
    with (
        pytest.raises(UnusableFileError, match=r"a pipe.*Nothing was written"),
        replacing(place, force=force),
    ):
        pass
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == sorted({pipe, place})


def test_a_link_to_itself_stays(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnusableFileError), replacing(tmp_path / "loop"):
        pass
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("link", [True, False])
def test_without_force_a_file_that_appears_stays(tmp_path, link):
    path = place = tmp_path / "model.keras"
    if link:
        place = tmp_path / "link"
        place.symlink_to(path)
    with (
        pytest.raises(UnusableFileError, match=r"exists.*--force"),
        replacing(place, force=False),
    ):
        path.write_bytes(b"of another")
    assert path.read_bytes() == b"of another"
    assert sorted(tmp_path.iterdir()) == sorted({path, place})


def test_without_force_a_file_that_appears_at_the_last_moment_stays(
    tmp_path, monkeypatch
):
    path = tmp_path / "model.keras"

    def check_place(*_, **__):
        if any(tmp_path.iterdir()):
            path.write_bytes(b"of another")

    monkeypatch.setattr("kerasbn.writing.files.check_place", check_place)
    with (
        pytest.raises(UnusableFileError, match="exists"),
        replacing(path, force=False) as temporary,
    ):
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"of another"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    path.chmod(mode)
    with replacing(path) as temporary:
        assert temporary.stat().st_mode & 0o777 == 0o600  # Nobody reads it meanwhile.
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    os.chown(path, 12345, 12345)
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


@pytest.mark.parametrize("new", [b"", b"new", b"longer than before"])
def test_other_names_stay(tmp_path, new):
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    path.write_bytes(b"old text")
    other.hardlink_to(path)
    with replacing(path) as temporary:
        temporary.write_bytes(new)
    assert path.samefile(other)
    assert other.read_bytes() == new


def test_the_source_stays_where_it_is_another_name(tmp_path):
    source, path = tmp_path / "a.keras", tmp_path / "b.keras"
    source.write_bytes(b"old")
    path.hardlink_to(source)
    with replacing(path, apart_from=source) as temporary:
        temporary.write_bytes(b"new")
    assert (source.read_bytes(), path.read_bytes()) == (b"old", b"new")


def folder(path, force, content="new"):
    def is_one(found):
        return (found / "saved_model.pb").exists()

    with replacing_folder(path, force=force, label="model", is_one=is_one) as temporary:
        (temporary / "saved_model.pb").write_text(content)


def test_a_folder_appears_and_is_replaced_by_force(tmp_path):
    path = tmp_path / "model"
    folder(path, force=False)
    with pytest.raises(UnusableFileError, match="exists"):
        folder(path, force=False)
    path.chmod(0o700)
    folder(path, force=True, content="newer")
    assert (path / "saved_model.pb").read_text() == "newer"
    assert path.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["other", "file", "pipe"])
def test_a_folder_replaces_nothing_else(tmp_path, kind):
    path = tmp_path / "model"
    if kind == "other":
        path.mkdir()
        (path / "precious").write_text("")
    elif kind == "file":
        path.write_text("")
    else:
        os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(UnusableFileError, match="something else"):
        folder(path, force=True)
    assert os.path.samestat(before, path.lstat())
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_no_folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "saved_model.pb").write_text("old")
    with (
        pytest.raises(KeyboardInterrupt),
        replacing_folder(path, force=True, label="model", is_one=lambda _: True),
    ):
        raise KeyboardInterrupt
    assert (path / "saved_model.pb").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
