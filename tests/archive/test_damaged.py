"""Files that are cut short, empty, of another kind, or lack a part."""

import io
import json
import zipfile

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasbn.archive import (
    UnsupportedFormatError,
    UnusableFileError,
    open_archive,
    zip_members,
)

from .files import SAVED_MODELS, members, write_members

KERAS_FILE = SAVED_MODELS / "keras-3.15" / "functional.keras"
H5_FILE = SAVED_MODELS / "keras-3.15" / "nested.h5"


def refused(path, message):
    with pytest.raises(UnusableFileError, match=message) as caught:
        open_archive(path).close()
    return caught.value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"import keras\n", r"neither a \.keras archive .*b'import k'"),
        (b"PK", "Not a complete zip archive"),
        (b"PK\x03\x04" + bytes(100), "Not a complete zip archive"),
        (b"\x89HDF\r\n\x1a\n", "Not a readable HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(1000), "Not a readable HDF5 file"),
        (b"\x89HDF\n\x1a\n\x00", "neither"),
    ],
)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_content_decides_not_the_name(tmp_path, content, message, suffix):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    refused(path, message)


def test_names_do_not_matter(tmp_path):
    for source, name in ((KERAS_FILE, "model.h5"), (H5_FILE, "model.keras")):
        (tmp_path / name).write_bytes(source.read_bytes())
        with open_archive(tmp_path / name) as archive:
            assert archive.format == source.suffix[1:]


def test_missing_file_and_folder(tmp_path):
    refused(tmp_path / "none.keras", "No such file or directory.*none.keras")
    refused(tmp_path, "Not a model")
    (tmp_path / "saved_model.pb").touch()
    assert isinstance(refused(tmp_path, "SavedModel"), UnsupportedFormatError)


@pytest.mark.parametrize("suffix", ["pb", "tflite", "onnx", "pt", "ckpt"])
def test_other_formats_are_called_by_name(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"\x08\x01binary")
    assert isinstance(refused(path, r"model\.save"), UnsupportedFormatError)


def test_weights_alone(tmp_path):
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = [1.0]
    error = refused(tmp_path / "model.weights.h5", "weights at most")
    assert isinstance(error, UnsupportedFormatError)


def test_a_flipped_byte_among_the_weights(tmp_path, monkeypatch):
    content = bytearray(KERAS_FILE.read_bytes())
    with zipfile.ZipFile(KERAS_FILE) as container:
        member = container.getinfo("model.weights.h5")
    content[member.header_offset + member.file_size // 2] ^= 1
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)
    refused(path, "checksum does not match")
    # A large file is not read through for that.
    monkeypatch.setattr(zip_members, "_CHECKED_BYTES", 0)
    open_archive(path).close()


@settings(max_examples=150, deadline=None)
@given(st.data())
@pytest.mark.parametrize("source", [KERAS_FILE, H5_FILE], ids=["keras", "h5"])
def test_cut_short(tmp_path_factory, source, data):
    content = source.read_bytes()
    length = data.draw(st.integers(0, len(content) - 1))
    path = tmp_path_factory.mktemp("cut") / source.name
    path.write_bytes(content[:length])
    # Without its last bytes an HDF5 file may still be whole where it matters.
    with pytest.raises(UnusableFileError):
        open_archive(path).close()


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_member_is_missing(tmp_path, name):
    content = members(KERAS_FILE)
    del content[name]
    path = write_members(tmp_path / "model.keras", content)
    refused(path, f"{name} is missing")


def test_metadata_may_be_missing(tmp_path):
    content = members(KERAS_FILE)
    del content["metadata.json"]
    with open_archive(write_members(tmp_path / "model.keras", content)) as archive:
        assert archive.keras_version is None
        assert len(archive.variables("bn_conv")) == 4


def test_weights_of_a_layer_are_missing(tmp_path):
    content = members(KERAS_FILE)
    weights = io.BytesIO(content["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        del file["layers/batch_normalization"]
        del file["layers/conv2d/vars/0"]
    content["model.weights.h5"] = weights.getvalue()
    with open_archive(write_members(tmp_path / "model.keras", content)) as archive:
        assert archive.variables("bn_conv") == ()
        assert archive.variables("conv") == ()
        assert len(archive.variables("bn_out")) == 4


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b"[1, 2]", "must contain an object. Received: list"),
        (b"null", "must contain an object. Received: NoneType"),
        (b'{"a": ' + b"[" * 100_000, "not valid JSON"),
        (b'{"a": ' + b"[" * 250 + b"]" * 250 + b"}", "nested more than 200 levels"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not valid JSON"),
    ],
)
def test_json(tmp_path, name, text, message):
    content = members(KERAS_FILE) | {name: text}
    refused(write_members(tmp_path / "model.keras", content), f"{name}.*{message}")


def test_other_magic_inside(tmp_path):
    content = members(KERAS_FILE) | {"model.weights.h5": b"not HDF5"}
    refused(write_members(tmp_path / "m.keras", content), "Not a readable HDF5 file")


def test_no_model_at_all(tmp_path):
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as container:
        container.writestr("readme.txt", "hello")
    refused(tmp_path / "any.zip", "config.json is missing.*readme.txt")


def test_config_without_layers_is_read(tmp_path):
    """What is no graph is for the caller to judge."""
    content = members(KERAS_FILE) | {"config.json": json.dumps({"class_name": "Mine"})}
    with open_archive(write_members(tmp_path / "model.keras", content)) as archive:
        assert archive.config == {"class_name": "Mine"}
        assert archive.variables("bn_conv") == ()
