"""Files of weights alone, as `save_weights` writes them, of several Keras versions."""

import zipfile

import h5py
import numpy as np
import pytest

import lint

from .conftest import SAVED_MODELS
from .test_saved_models import KERAS_3, VERSIONS, found, opened


def weights_of(version, model, folder):
    """The weights of a saved model, in a file of their own."""
    path = folder / "model.weights.h5"
    with zipfile.ZipFile(SAVED_MODELS / version / f"{model}.keras") as archive:
        path.write_bytes(archive.read("model.weights.h5"))
    return path


def legacy_weights_of(version, model, folder):
    """Likewise, in the layout of Keras 2."""
    path = folder / "weights.h5"
    with (
        h5py.File(SAVED_MODELS / version / f"{model}.h5") as whole,
        h5py.File(path, "w") as file,
    ):
        file.attrs.update(whole["model_weights"].attrs)
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", file)
    return path


def statistics_in(path):
    """The statistics of all layers, whatever their names and order.

    Before Keras 3.6 no names were stored, but numbers of the layers of a kind.
    """
    _, arrays = opened(path)
    both = [[one.mean.tolist(), one.variance.tolist()] for one in arrays.values()]
    return sorted(both)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", ["functional", "nested"])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_arrays_are_those_of_the_whole_file(version, model, suffix, tmp_path):
    write = weights_of if suffix == "keras" else legacy_weights_of
    found = statistics_in(write(version, model, tmp_path))
    assert found == statistics_in(SAVED_MODELS / version / f"{model}.{suffix}")


@pytest.mark.parametrize("version", KERAS_3)
def test_what_is_wrong_is_found_without_the_model(version, tmp_path):
    path = weights_of(version, "call_without_training", tmp_path)
    assert {one[:2] for one in found(path)} == {("BN002", "info"), ("BN203", "error")}


@pytest.mark.parametrize("write", [weights_of, legacy_weights_of])
def test_statistics_that_are_not_finite(write, tmp_path):
    path = write("keras-3.15", "nested", tmp_path)
    assert [one[:2] for one in found(path)] == [("BN002", "info")]

    def spoil(name, item):
        if name.endswith(("moving_variance", "moving_variance:0", "vars/3")):
            item[...] = np.nan

    with h5py.File(path, "r+") as file:
        file.visititems(spoil)
    assert {one[0] for one in found(path)} == {"BN002", "BN207"}


def test_weights_without_batch_normalization_hold_too_little(tmp_path):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3))
        file["layers/dense/vars/1"] = np.ones(3)
        file["layers/layer_normalization/vars/0"] = np.ones(3)
        file["layers/layer_normalization/vars/1"] = np.zeros(3)
    (finding,) = lint.check(path)
    assert finding.code == "BN003"
