"""Zip archives made to harm: false sizes, bombs, names that climb out."""

import struct
import zipfile

import pytest

from kerasbn.archive import UnusableFileError, open_archive, write_archive

from .files import SAVED_MODELS, members, write_members

KERAS_FILE = SAVED_MODELS / "keras-3.15" / "functional.keras"
WEIGHTS = "model.weights.h5"


def refused(path, message):
    with pytest.raises(UnusableFileError, match=message):
        open_archive(path).close()


def patch_headers(path, name, offset, value):
    """Overwrite a field of a member's central header, and of its local one."""
    data = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\x01\x02", 0), (b"PK\x03\x04", -2)):
        name_offset = 46 if shift == 0 else 30
        start = data.find(signature)
        while data[start + name_offset :][: len(name)] != name.encode():
            start = data.find(signature, start + 1)
        data[start + offset + shift : start + offset + shift + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
@pytest.mark.parametrize(
    "compression",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED],
    ids=["stored", "deflated"],
)
def test_four_gigabytes_that_are_not_there(tmp_path, name, compression):
    path = tmp_path / "model.keras"
    write_members(path, members(KERAS_FILE), compression)
    patch_headers(path, name, 24, struct.pack("<I", 2**32 - 2))
    refused(path, r"declares 4,294,967,294 bytes")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_ten_gigabytes_that_are_not_there(tmp_path, compression):
    """Beyond 4 GB the size stands in an extra field, which zipfile writes for us."""
    path = tmp_path / "model.keras"
    content = members(KERAS_FILE)
    weights = content.pop(WEIGHTS)
    with zipfile.ZipFile(path, "w", compression) as container:
        for name, data in content.items():
            container.writestr(name, data)
        container.writestr(WEIGHTS, weights)
        container.getinfo(WEIGHTS).file_size = 10 * 2**30
    refused(path, r"declares 10,737,418,240 bytes")


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_bomb(tmp_path, name):
    """80 MB of zeros, packed into 80 kB."""
    content = members(KERAS_FILE) | {name: bytes(80 * 2**20)}
    path = write_members(tmp_path / "m.keras", content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 200_000
    refused(path, "It is not (unpacked|read)")


def test_member_longer_than_declared(tmp_path):
    """The declared size is what is unpacked at most."""
    path = tmp_path / "model.keras"
    write_members(path, members(KERAS_FILE), zipfile.ZIP_DEFLATED)
    patch_headers(path, "config.json", 24, struct.pack("<I", 10))
    refused(path, "config.json")


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_encrypted(tmp_path, name):
    path = write_members(tmp_path / "model.keras", members(KERAS_FILE))
    patch_headers(path, name, 8, b"\x01\x00")
    refused(path, name)


@pytest.mark.parametrize("method", [1, 9, 99])
def test_unknown_compression(tmp_path, method):
    path = write_members(tmp_path / "model.keras", members(KERAS_FILE))
    patch_headers(path, WEIGHTS, 10, struct.pack("<H", method))
    refused(path, WEIGHTS)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_other_compressions(tmp_path, compression):
    path = write_members(tmp_path / "m.keras", members(KERAS_FILE), compression)
    with open_archive(path) as archive:
        assert len(archive.variables("bn_conv")) == 4
    with zipfile.ZipFile(path) as container:
        member = container.getinfo(WEIGHTS)
    data = bytearray(path.read_bytes())
    middle = member.header_offset + member.compress_size // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    refused(path, f"{WEIGHTS} cannot be unpacked")


@pytest.mark.parametrize(
    "name",
    [
        "assets/../../evil.txt",
        "assets//etc/passwd",
        "assets/a/./b.txt",
        "assets/a\\..\\..\\evil.txt",
        "assets/c:\\evil.txt",
    ],
)
def test_assets_stay_inside(tmp_path, name):
    content = members(KERAS_FILE) | {name: b"x"}
    path = write_members(tmp_path / "model.keras", content)
    with open_archive(path) as archive:
        with pytest.raises(UnusableFileError, match="must stay inside the archive"):
            list(archive.assets())
        with pytest.raises(UnusableFileError, match="must stay inside the archive"):
            write_archive(tmp_path / "again.keras", archive, archive.config)


def test_members_elsewhere_are_not_copied(tmp_path):
    content = members(KERAS_FILE) | {"../evil.txt": b"x", "/etc/passwd": b"x"}
    with open_archive(write_members(tmp_path / "model.keras", content)) as archive:
        write_archive(tmp_path / "again.keras", archive, archive.config)
    assert set(members(tmp_path / "again.keras")) == set(members(KERAS_FILE))
