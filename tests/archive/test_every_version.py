"""Files of five Keras versions and of both formats are read alike."""

import numpy as np
import pytest

from kerasbn.archive import open_archive
from kerasbn.config_tree import layer_entries

from .files import (
    KERAS_3,
    SAVED_MODELS,
    STEMS,
    VERSIONS,
    live_variables,
    load,
    same_array,
)

# The README of the fixtures says which Keras 3 cannot load.
LOADABLE = [
    *(f"{version}/{stem}.keras" for version in KERAS_3 for stem in STEMS),
    *(
        f"{version}/{stem}.h5"
        for version in KERAS_3
        for stem in ("functional", "nested")
    ),
    *(f"{version}/mixed_float16.h5" for version in KERAS_3 if version != "keras-3.8"),
]
TWINS = [
    *(f"{version}/nested" for version in VERSIONS),
    *(f"{version}/bfloat16" for version in VERSIONS),
    *(f"{version}/mixed_float16" for version in VERSIONS),
    *(f"tf_keras-2/{stem}" for stem in ("functional", "axes", "sequential")),
    "tf_keras-2/training_flag",
]
# make.py: two steps of training, or none; Keras 3 counts 6 under loss scaling, of 8.
ITERATIONS = {"functional": 2, "training_flag": 2, "bfloat16": 2, "sequential": 0}
ITERATIONS |= {"nested": None, "dict_outputs": None, "subclassed": 2, "axes": None}
ITERATIONS |= {"mixed_float16": 6, "call_without_training": 2}


def all_files():
    files = [*SAVED_MODELS.glob("*/*.keras"), *SAVED_MODELS.glob("*/*.h5")]
    return sorted(str(path.relative_to(SAVED_MODELS)) for path in files)


def stored_variables(archive):
    """Layer path -> arrays, of each layer that stores any."""
    arrays = {
        entry.path: [stored.read() for stored in archive.variables(entry.path)]
        for entry in layer_entries(archive.config)
    }
    return {path: values for path, values in arrays.items() if values}


def test_all_versions_are_there():
    assert {name.split("/")[0] for name in all_files()} == set(VERSIONS)
    assert len(all_files()) == 69


@pytest.mark.parametrize("name", LOADABLE)
def test_variables_are_those_that_keras_loads(name):
    # Keras cannot restore the optimizer's state of a loss-scaled model.
    expected = live_variables(load(SAVED_MODELS / name, compile=False))
    with open_archive(SAVED_MODELS / name) as archive:
        stored = stored_variables(archive)
    # Of a Dropout, Keras lists the seed's state; it belongs to an object inside.
    expected.pop("dropout", None)
    assert stored.keys() == expected.keys()
    for path, arrays in expected.items():
        assert len(stored[path]) == len(arrays)
        assert all(map(same_array, stored[path], arrays)), path


@pytest.mark.parametrize("stem", TWINS)
def test_both_formats_hold_the_same(stem):
    with (
        open_archive(SAVED_MODELS / f"{stem}.keras") as keras_archive,
        open_archive(SAVED_MODELS / f"{stem}.h5") as h5_archive,
    ):
        assert (keras_archive.format, h5_archive.format) == ("keras", "h5")
        expected = stored_variables(keras_archive)
        stored = stored_variables(h5_archive)
    assert len(expected) > 1
    assert stored.keys() == expected.keys()
    for path, arrays in expected.items():
        assert all(map(same_array, stored[path], arrays)), path


@pytest.mark.parametrize("name", all_files())
def test_version_and_iterations(name):
    folder, stem = name.rsplit(".", 1)[0].split("/")
    expected = ITERATIONS[stem]
    if (folder, stem) == ("tf_keras-2", "mixed_float16"):
        expected = 8  # Keras 2 counts a step that loss scaling skips, too.
    with open_archive(SAVED_MODELS / name) as archive:
        assert f"{archive.keras_version}.".startswith(f"{folder.rsplit('-', 1)[1]}.")
        assert archive.iterations() == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_shape_and_dtype_are_known_before_reading(version, suffix):
    with open_archive(SAVED_MODELS / version / f"bfloat16.{suffix}") as archive:
        kernel, bias = archive.variables("dense_first")
        assert (kernel.shape, bias.shape) == ((5, 4), (4,))
        values = kernel.read()
        assert str(values.dtype) == str(kernel.dtype)
        assert np.isfinite(values.astype("float32")).all()


def test_a_layer_that_is_not_there_has_no_variables():
    for name in ("keras-3.15/functional.keras", "keras-3.15/functional.h5"):
        with open_archive(SAVED_MODELS / name) as archive:
            assert archive.variables("nowhere") == ()
            assert archive.variables("nowhere/bn") == ()
            assert archive.variables("relu_conv") == ()
