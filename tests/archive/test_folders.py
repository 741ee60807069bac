"""Models in folders, as `model.save(folder, zipped=False)` leaves them."""

import json
import os
import zipfile

import keras
import numpy as np
import pytest

import lint
from kerasbn.archive import UnusableFileError, open_archive, write_archive
from kerasbn.folding import fold_file

from .files import SAVED_MODELS, load, members, predict, write_members

KERAS_FILE = SAVED_MODELS / "keras-3.15" / "functional.keras"
NPZ = "model.weights.npz"


@pytest.fixture
def unzipped(tmp_path):
    """A model's folder, with an asset of the layer `bn1` beside what Keras wrote."""
    folder = tmp_path / "model"
    with zipfile.ZipFile(KERAS_FILE) as container:
        container.extractall(folder)
    asset = folder / "assets/layers/batch_normalization/words.txt"
    asset.parent.mkdir(parents=True)
    asset.write_text("one\ntwo\n")
    return folder


def refused(path, message):
    with (
        pytest.raises(UnusableFileError, match=message),
        open_archive(path) as archive,
    ):
        list(archive.assets())


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_folder_holds_what_the_zip_holds(unzipped, tmp_path):
    with open_archive(KERAS_FILE) as one, open_archive(unzipped) as other:
        assert (one.config, one.metadata) == (other.config, other.metadata)
        assert one.parameters() == other.parameters()
        (asset,) = [(a.name, a.file.read()) for a in other.assets()]
        assert asset == ("words.txt", b"one\ntwo\n")
        write_archive(tmp_path / "out.keras", other, other.config)
    written = members(tmp_path / "out.keras")
    assert written["assets/layers/batch_normalization/words.txt"] == b"one\ntwo\n"
    original = load(KERAS_FILE, compile=False)
    copy = load(tmp_path / "out.keras", compile=False)
    for before, after in zip(original.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_folder_that_keras_saved_is_folded_and_linted(tmp_path):
    x = keras.Input((4,))
    y = keras.layers.BatchNormalization(momentum=0.1)(keras.layers.Dense(3)(x))
    model = keras.Model(x, y)
    model.layers[-1].moving_mean.assign([0.5, -1.0, 2.0])
    model.save(tmp_path / "model", zipped=False)
    result = fold_file(tmp_path / "model", tmp_path / "out.keras")
    assert len(result.folded) == 1
    sizes = [
        path.stat().st_size
        for path in (tmp_path / "model").rglob("*")
        if path.is_file()
    ]
    assert result.before.file_bytes == sum(sizes)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    expected, received = predict(model, x), predict(load(tmp_path / "out.keras"), x)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
    for target in (tmp_path / "model", tmp_path):  # Named, and found.
        found = [(finding.code, finding.path) for finding in lint.check(target)]
        assert ("BN201", str(tmp_path / "model")) in found


def test_python_beside_a_model_is_linted_too(unzipped):
    code = "import keras\nbn = keras.layers.BatchNormalization(momentum=0.1)\n"
    (unzipped / "train.py").write_text(code)
    assert str(unzipped / "train.py") in {
        finding.path for finding in lint.check(unzipped)
    }


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_part_is_a_link_out_of_the_folder(unzipped, tmp_path, name):
    (unzipped / name).rename(tmp_path / name)
    (unzipped / name).symlink_to(tmp_path / name)
    refused(unzipped, f"{name} in the model's folder is a link to another place")


@pytest.mark.parametrize("place", ["assets", "assets/layers", "assets/secret.txt"])
def test_assets_are_a_link_out_of_the_folder(unzipped, tmp_path, place):
    if place != "assets/secret.txt":
        (unzipped / place).rename(tmp_path / "elsewhere")
    (unzipped / place).symlink_to(tmp_path / "elsewhere")
    refused(unzipped, "link to another place")


def test_a_link_to_a_folder_above_is_no_endless_walk(unzipped):
    (unzipped / "assets/again").symlink_to(unzipped)
    refused(unzipped, "assets/again in the model's folder is a link")


def test_a_pipe_among_the_assets(unzipped):
    os.mkfifo(unzipped / "assets/pipe")
    refused(unzipped, "assets/pipe in the model's folder is not a plain file")


def test_a_configuration_longer_than_any(unzipped):
    os.truncate(unzipped / "config.json", 300 * 2**20)
    refused(unzipped, "declares 314,572,800 bytes")


def test_folders_that_are_no_models(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"a": 1}))
    refused(tmp_path, "Not a model")


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_weights_are_not_read(unzipped, tmp_path, zipped):
    """`np.savez` of dictionaries, as Keras makes it, is a pickle, and may be a trap."""
    content = members(KERAS_FILE)
    del content["model.weights.h5"]
    trap = np.array(Trap(tmp_path / "sprung"), dtype=object)
    np.savez(tmp_path / "weights.npz", **{"layers/conv2d": trap})
    with np.load(tmp_path / "weights.npz", allow_pickle=True) as file:
        file["layers/conv2d"]
    (tmp_path / "sprung").rmdir()  # It works.
    content[NPZ] = (tmp_path / "weights.npz").read_bytes()
    path = unzipped if not zipped else tmp_path / "model.keras"
    if zipped:
        write_members(path, content)
    else:
        (unzipped / "model.weights.h5").unlink()
        (unzipped / NPZ).write_bytes(content[NPZ])
    refused(path, "pickled objects")
    assert [finding.code for finding in lint.check(path)] == ["BN001"]
    with pytest.raises(UnusableFileError, match="pickled objects"):
        fold_file(path, tmp_path / "out.keras", verify=False)
    assert not (tmp_path / "sprung").exists()
