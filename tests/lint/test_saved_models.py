"""What is read from files of five real Keras versions, and from damaged ones."""

import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

import lint
from lint.subjects import Opener
from lint.subjects.model import Statistics

from .conftest import SAVED_MODELS

VERSIONS = ["keras-3.4", "keras-3.8", "keras-3.12", "keras-3.15", "tf_keras-2"]
KERAS_3 = VERSIONS[:-1]
NESTED = {
    "inner/bn": 1,
    "stack/bn": 1,
    "twice/bn": 2,
}


def opened(path):
    """The model and, as the file is closed afterwards, its statistics by layer."""
    with Opener().open(path) as model:
        arrays = {bn.path: everything(bn.read_statistics()) for bn in model.batch_norms}
    return model, arrays


def everything(statistics):
    """All arrays, read now."""
    return statistics and Statistics(
        statistics.mean, statistics.variance, statistics.gamma, statistics.beta
    )


def found(path, *codes):
    findings = lint.check(path)
    return [
        (finding.code, finding.severity.value, finding.layer)
        for finding in findings
        if not codes or finding.code in codes
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
class TestEveryVersionAndFormat:
    def test_layers_are_found_at_any_depth(self, version, suffix):
        model, _ = opened(SAVED_MODELS / version / f"nested.{suffix}")
        assert {bn.path: bn.calls for bn in model.batch_norms} == NESTED
        assert model.graph is not None
        assert model.iterations is None

    def test_arrays_are_told_apart(self, version, suffix):
        model, arrays = opened(SAVED_MODELS / version / f"functional.{suffix}")
        by_path = {bn.path: bn for bn in model.batch_norms}
        assert set(by_path) == {"bn_conv", "bn_separable", "bn_depthwise", "bn_out"}
        assert arrays["bn_separable"].gamma is None
        assert arrays["bn_separable"].beta is not None
        assert arrays["bn_depthwise"].beta is None
        # The script that made them sets one gamma to 0 and one to -0.75.
        for path in ("bn_conv", "bn_depthwise", "bn_out"):
            gamma = arrays[path].gamma.reshape(-1)
            assert list(gamma[:2]) == [0.0, -0.75]
        assert all((array.variance > 0.4).all() for array in arrays.values())
        assert by_path["bn_conv"].momentum == 0.9
        assert by_path["bn_depthwise"].epsilon == 1e-5

    def test_steps_and_version_are_read(self, version, suffix):
        model, _ = opened(SAVED_MODELS / version / f"functional.{suffix}")
        assert model.iterations == 2
        assert model.keras_version.startswith(version.rpartition("-")[2])

    @pytest.mark.parametrize("stem", ["bfloat16", "mixed_float16"])
    def test_half_precision_is_read(self, version, suffix, stem):
        _, arrays = opened(SAVED_MODELS / version / f"{stem}.{suffix}")
        assert set(arrays) == {"bn_first", "bn_second"}
        for statistics in arrays.values():
            variance = np.asarray(statistics.variance, np.float32)
            assert ((variance > 0.4) & (variance < 3)).all()


@pytest.mark.parametrize("version", VERSIONS)
def test_training_flags_are_read(version):
    model, _ = opened(SAVED_MODELS / version / "training_flag.keras")
    flags = {bn.path: bn.training_flags for bn in model.batch_norms}
    assert flags == {"bn_first": (False,), "bn_second": (True,)}


class TestWithoutAGraph:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_layers_are_recognised_by_their_weights(self, version):
        model, arrays = opened(SAVED_MODELS / version / "subclassed.keras")
        assert model.graph is None
        assert len(model.batch_norms) == (1 if version == "tf_keras-2" else 2)
        for statistics in arrays.values():
            assert (statistics.variance > 0.4).all()
            assert statistics.gamma.shape == (4,)

    @pytest.mark.parametrize("version", KERAS_3)
    def test_a_lost_training_flag_leaves_its_trace(self, version):
        path = SAVED_MODELS / version / "call_without_training.keras"
        codes = [(code, severity) for code, severity, _ in found(path)]
        assert codes == [("BN002", "info"), *[("BN203", "error")] * 2]

    def test_keras_2_loses_no_flag(self):
        path = SAVED_MODELS / "tf_keras-2/call_without_training.keras"
        assert found(path) == [("BN002", "info", None)]

    @pytest.mark.parametrize(
        ("group", "values"),
        [
            ("metrics/auc", (0, 0, 0, 1)),  # Counts that look like fresh statistics.
            ("own_layer", (0, 0, 0, -1)),  # The last array cannot be a variance.
            ("own_layer", (0, 0, 1)),  # Three arrays of a layer by another name.
        ],
    )
    def test_other_arrays_of_equal_shape_are_no_bn(self, rewrite, group, values):
        def add(file):
            for number, value in enumerate(values):
                file[f"{group}/vars/{number}"] = np.full(4, value, np.float32)

        model, _ = opened(rewrite("subclassed", weights=add))
        assert {bn.path for bn in model.batch_norms} == {"bn_hidden", "norm"}

    def test_layers_are_named_as_they_are_named(self):
        path = SAVED_MODELS / "keras-3.15/call_without_training.keras"
        assert {layer for _, _, layer in found(path, "BN203")} == {"bn_hidden", "norm"}


@pytest.fixture
def rewrite(folder):
    """Copies a fixture `.keras` with its configuration or weights changed."""

    def write(stem, config=None, weights=None):
        source = zipfile.ZipFile(SAVED_MODELS / "keras-3.15" / f"{stem}.keras")
        parts = {name: source.read(name) for name in source.namelist()}
        if config is not None:
            value = json.loads(parts["config.json"])
            config(value)
            parts["config.json"] = json.dumps(value)
        if weights is not None:
            buffer = io.BytesIO(parts["model.weights.h5"])
            with h5py.File(buffer, "r+") as file:
                weights(file)
            parts["model.weights.h5"] = buffer.getvalue()
        with zipfile.ZipFile(folder / "m.keras", "w") as target:
            for name, data in parts.items():
                target.writestr(name, data)
        return folder / "m.keras"

    return write


class TestDamage:
    def test_a_bn_without_weights_is_unreadable(self, rewrite):
        def remove(file):
            del file["layers/batch_normalization_2"]

        path = rewrite("functional", weights=remove)
        assert found(path) == [("BN001", "error", None)]

    def test_a_bn_with_too_few_weights_is_unreadable(self, rewrite):
        def remove(file):
            del file["layers/batch_normalization/vars/3"]

        (finding,) = lint.check(rewrite("functional", weights=remove))
        assert finding.code == "BN001"
        assert "'bn_conv'" in finding.message

    def test_a_configuration_that_is_no_graph_of_its_own_is_unreadable(self, rewrite):
        def break_it(config):
            config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"][
                "keras_history"
            ] = ["nobody", 0, 0]

        path = rewrite("functional", config=break_it)
        assert found(path) == [("BN001", "error", None)]

    @pytest.mark.parametrize(
        "value", [None, "x", [], {}, True, -1, 1e400, 10**400, [1], {"config": 3}]
    )
    def test_odd_values_in_a_layers_configuration_are_survived(self, rewrite, value):
        def spoil(config):
            bn = next(
                entry
                for entry in config["config"]["layers"]
                if entry["class_name"] == "BatchNormalization"
            )
            for key in bn["config"]:
                if key not in ("name", "scale", "center", "renorm"):
                    bn["config"][key] = value

        assert isinstance(found(rewrite("functional", config=spoil)), list)

    def test_names_that_are_no_text_are_survived(self, rewrite):
        def spoil(file):
            file.create_group(b"layers/\xff\xfe")

        assert isinstance(found(rewrite("subclassed", weights=spoil)), list)

    def test_one_file_among_others_does_not_stop_the_run(self, folder, command):
        (folder / "a.keras").write_bytes(b"PK\x03\x04")
        shutil.copy(SAVED_MODELS / "keras-3.15/sequential.keras", folder / "b.keras")
        outcome = command("a.keras", "b.keras")
        assert outcome.status == 1
        assert "BN001" in outcome.out
        assert "BN201" in outcome.out
        assert outcome.err == ""


class TestGuards:
    def test_a_frozen_layer_is_known_by_itself_or_a_model_around_it(self, rewrite):
        def freeze(config):
            for entry in config["config"]["layers"]:
                if entry["name"] == "stack":
                    entry["config"]["trainable"] = False
                elif entry["name"] == "inner":
                    for inner in entry["config"]["layers"]:
                        inner["config"]["trainable"] = inner["name"] != "bn"

        model, _ = opened(rewrite("nested", config=freeze))
        frozen = {bn.path: bn.frozen for bn in model.batch_norms}
        assert frozen == {"inner/bn": True, "stack/bn": True, "twice/bn": False}

    def test_a_frozen_model_freezes_all(self, rewrite):
        def freeze(config):
            config["config"]["trainable"] = False

        model, _ = opened(rewrite("nested", config=freeze))
        assert all(bn.frozen for bn in model.batch_norms)

    def test_nan_is_found(self, rewrite):
        def spoil(file):
            file["layers/batch_normalization/vars/2"][0] = np.nan

        path = rewrite("functional", weights=spoil)
        assert found(path, "BN207") == [("BN207", "error", "bn_conv")]
