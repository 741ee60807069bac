"""Reading a few arrays of a file reads little else."""

import io

import h5py
import numpy as np
import pytest

from kerasbn.archive import open_archive
from kerasbn.archive.member_view import MemberView

from .files import SAVED_MODELS, members, write_members


@pytest.fixture
def bytes_read(monkeypatch):
    """The number of bytes that each read of a MemberView gave."""
    sizes = []
    original = MemberView.readinto

    def counting(self, buffer):
        size = original(self, buffer)
        sizes.append(size)
        return size

    monkeypatch.setattr(MemberView, "readinto", counting)
    return sizes


def test_bn_is_read_without_the_rest(tmp_path, bytes_read):
    """A real file, one kernel of which is made 64 MB large."""
    content = members(SAVED_MODELS / "keras-3.15" / "sequential.keras")
    weights = io.BytesIO(content["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.ones((4096, 4096), np.float32)
    content["model.weights.h5"] = weights.getvalue()
    path = write_members(tmp_path / "large.keras", content)
    with open_archive(path) as archive:
        for layer, channels in (("bn_conv", 4), ("bn_dense", 3)):
            sizes = [stored.read().size for stored in archive.variables(layer)]
            assert sizes == [channels] * 4
        assert archive.variables("dense")[0].shape == (4096, 4096)
        assert 0 < sum(bytes_read) < 100_000
        archive.variables("dense")[0].read()
        assert sum(bytes_read) > 4096 * 4096 * 4


def test_view_behaves_like_a_file_of_its_own():
    view = MemberView(io.BytesIO(b"before" + b"0123456789" + b"after"), 6, 10)
    plain = io.BytesIO(b"0123456789")
    for offset, whence in ((0, 0), (4, 0), (2, 1), (-3, 2), (0, 2), (50, 0)):
        assert view.seek(offset, whence) == plain.seek(offset, whence)
        assert view.read(4) == plain.read(4)
        assert view.tell() == plain.tell()
    view.seek(0)
    assert view.read() == b"0123456789"
    assert view.readable()
    assert view.seekable()
    assert not view.writable()


def test_closed_files_are_closed():
    archive = open_archive(SAVED_MODELS / "keras-3.15" / "nested.keras")
    root = archive.root
    archive.close()
    assert not root
