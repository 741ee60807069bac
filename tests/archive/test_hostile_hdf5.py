"""HDF5 files made to harm: links out of the file, false sizes, wrong types."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest

from kerasbn.archive import (
    StoredArray,
    UnsupportedFormatError,
    UnusableFileError,
    open_archive,
    write_archive,
)

from .files import SAVED_MODELS, members, write_members

KERAS_FILE = SAVED_MODELS / "keras-3.15" / "functional.keras"
H5_FILE = SAVED_MODELS / "keras-3.15" / "functional.h5"
GROUP = "layers/batch_normalization/vars"


@pytest.fixture
def tampered(tmp_path):
    """Change the weights of a real `.keras` file and return its path."""

    def tamper(change):
        content = members(KERAS_FILE)
        weights = tmp_path / "weights.h5"
        weights.write_bytes(content["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            change(file)
        content["model.weights.h5"] = weights.read_bytes()
        return write_members(tmp_path / "model.keras", content)

    return tamper


def refused(path, message, folder):
    """Neither read nor copied."""
    with open_archive(path) as archive:
        with pytest.raises(UnusableFileError, match=message):
            [stored.read() for stored in archive.variables("bn_conv")]
        with pytest.raises(UnusableFileError, match=message):
            write_archive(folder / "again.keras", archive, archive.config)


def replace(make):
    """Replace BN's first array."""

    def change(file):
        del file[f"{GROUP}/0"]
        make(file[GROUP])

    return change


def external_link(group):
    group["0"] = h5py.ExternalLink("/etc/passwd", "/data")


def soft_link(group):
    group["0"] = h5py.SoftLink("/layers/conv2d/vars/0")


def external_data(group):
    group.create_dataset("0", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual_data(group):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (4,))
    group.create_virtual_dataset("0", layout)


def terabyte(group):
    group.create_dataset("0", (2**38,), "f4", chunks=(2**16,))


def packed_terabyte(group):
    data = group.create_dataset("0", (2**38,), "f4", chunks=(2**16,), compression=9)
    data[:4] = 1


def hard_link(group):
    group["0"] = group["1"]


def null_data(group):
    group["0"] = h5py.Empty("f4")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external_link, r"link to another place.*Received: ExternalLink"),
        (soft_link, r"link to another place.*Received: SoftLink"),
        (hard_link, r"link to another place.*Received: 2 hard links"),
        (external_data, "keeps its data in another file"),
        (virtual_data, "keeps its data in another file"),
        (terabyte, "declares 1,099,511,627,776 bytes but holds 0"),
        (packed_terabyte, "declares 1,099,511,627,776 bytes"),
        (null_data, "cannot be read"),
    ],
)
def test_array(tampered, tmp_path, make, message):
    refused(tampered(replace(make)), message, tmp_path)


@pytest.mark.parametrize("value", [b"text", np.bytes_("text"), [b"a", b"b"]])
def test_text_is_no_variable_and_is_not_dropped(tampered, tmp_path, value):
    path = tampered(replace(lambda group: group.create_dataset("0", data=value)))
    with open_archive(path) as archive:
        assert archive.variables("bn_conv") == ()
        with pytest.raises(UnusableFileError, match="holds no numbers"):
            write_archive(tmp_path / "again.keras", archive, archive.config)


def test_group_that_contains_itself(tampered, tmp_path):
    def change(file):
        file["layers/conv2d/loop"] = file["layers/conv2d"]

    with open_archive(tampered(change)) as archive:
        with pytest.raises(UnusableFileError, match="2 hard links"):
            archive.variables("conv")
        with pytest.raises(UnusableFileError, match="2 hard links"):
            write_archive(tmp_path / "again.keras", archive, archive.config)


def test_root_inside_itself(tampered, tmp_path):
    def change(file):
        file["loop"] = file["/"]

    with (
        open_archive(tampered(change)) as archive,
        pytest.raises(UnusableFileError, match="hard links"),
    ):
        write_archive(tmp_path / "again.keras", archive, archive.config)


def test_groups_nested_very_deep(tampered, tmp_path):
    def change(file):
        here = file["layers/conv2d"]
        for _ in range(1000):
            here = here.create_group("g")

    with open_archive(tampered(change)) as archive:
        assert len(archive.variables("conv")) == 1
        with pytest.raises(UnusableFileError, match="nested more than 200 deep"):
            write_archive(tmp_path / "again.keras", archive, archive.config)


def array_for_layers(file):
    del file["layers"]
    file["layers"] = np.zeros((3, 2))


def array_for_vars(file):
    del file[GROUP]
    file[GROUP] = np.zeros(4)


def type_for_vars(file):
    del file[GROUP]
    file[GROUP] = np.dtype("f4")


def array_for_layer(file):
    del file["layers/batch_normalization"]
    file["layers/batch_normalization"] = np.zeros(4)


@pytest.mark.parametrize(
    "change", [array_for_layers, array_for_vars, type_for_vars, array_for_layer]
)
def test_array_in_a_groups_place(tampered, change):
    with open_archive(tampered(change)) as archive:
        assert archive.variables("bn_conv") == ()
        archive.iterations()


@pytest.mark.parametrize(
    "value", [3, 1.5, [1, 2], b"\xff\xfe", h5py.Empty("f4"), "other"]
)
def test_group_with_a_wrong_name_is_not_taken(tampered, value):
    def change(file):
        file[GROUP].attrs["name"] = value

    with open_archive(tampered(change)) as archive:
        # A name that is no text says nothing; another text says that it is another.
        assert len(archive.variables("bn_conv")) == (0 if value == "other" else 4)


def test_named_group_is_found_under_another_number(tampered):
    with open_archive(KERAS_FILE) as archive:
        expected = archive.variables("bn_conv")[0].read()
    path = tampered(
        lambda file: file.move("layers/batch_normalization", "layers/elsewhere")
    )
    with open_archive(path) as archive:
        np.testing.assert_array_equal(archive.variables("bn_conv")[0].read(), expected)


@pytest.mark.parametrize(
    "value", [np.float32("nan"), -1, [1, 2], b"text", np.zeros((1,), "V2")[0]]
)
def test_iterations_of_a_wrong_type(tampered, tmp_path, value):
    def change(file):
        del file["optimizer/vars/0"]
        file["optimizer/vars/0"] = value

    with open_archive(tampered(change)) as archive:
        assert archive.iterations() in (None, -1)
    shutil.copy(H5_FILE, tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        del file["optimizer_weights"]
        file["optimizer_weights/sgd/iteration"] = value
    with open_archive(tmp_path / "model.h5") as archive:
        assert archive.iterations() in (None, -1)


@pytest.mark.parametrize("value", [7, [b"bn_conv/gamma"], b"\xff", h5py.Empty("S1")])
@pytest.mark.parametrize("name", ["model_config", "keras_version", "training_config"])
def test_attributes_of_a_legacy_file_of_wrong_types(tmp_path, name, value):
    path = tmp_path / "model.h5"
    shutil.copy(H5_FILE, path)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    if name == "model_config":
        with pytest.raises(UnsupportedFormatError, match="no model configuration"):
            open_archive(path).close()
        return
    with open_archive(path) as archive:
        assert name not in archive.metadata
        assert len(archive.variables("bn_conv")) == 4


@pytest.mark.parametrize(
    "names", [7, 1.5, [1, 2], [b"\xff/\xfe"], ["..", "/", "", "a//b"], h5py.Empty("S1")]
)
def test_weight_names_of_a_legacy_file(tmp_path, names):
    path = tmp_path / "model.h5"
    shutil.copy(H5_FILE, path)
    with h5py.File(path, "r+") as file:
        file["model_weights/bn_conv"].attrs["weight_names"] = names
    with open_archive(path) as archive:
        assert archive.variables("bn_conv") == ()
        assert len(archive.variables("bn_out")) == 4


@pytest.mark.parametrize("name", ["bn\0conv", "bn\ud800", "\x1b[2Jbn", "", 7])
def test_names_that_no_layer_can_have(tmp_path, name):
    config = json.loads(members(KERAS_FILE)["config.json"])
    config["config"]["layers"][2]["name"] = name
    config["config"]["layers"][2]["config"]["name"] = name
    content = members(KERAS_FILE) | {"config.json": json.dumps(config)}
    with (
        open_archive(write_members(tmp_path / "model.keras", content)) as archive,
        pytest.raises(UnusableFileError, match="without a valid name"),
    ):
        archive.variables("bn_conv")


def test_reading_from_a_file_that_shrinks(tmp_path):
    """As on a network disk: what was there at opening may be gone at reading."""
    path = tmp_path / "model.keras"
    path.write_bytes(KERAS_FILE.read_bytes())
    with open_archive(path) as archive:
        found = archive.variables("bn_out")
        assert all(isinstance(stored, StoredArray) for stored in found)
        os.truncate(path, 100)
        with pytest.raises(UnusableFileError, match="cannot be read"):
            archive.variables("dense")[0].read()
