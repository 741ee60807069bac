"""`model-lint diagnose`: what it prints, how it ends, and what it refuses."""

import io
import json
import zipfile
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

BN = layers.BatchNormalization
pytestmark = pytest.mark.every_backend


@keras.saving.register_keras_serializable("diagnose_tests")
class Mine(layers.Layer):
    def call(self, x):
        return x


@keras.saving.register_keras_serializable("diagnose_tests")
class Summing(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.bn = BN()

    def call(self, parts, training=None):
        return self.bn(parts["one"] + parts["two"], training=training)


def save(path, *inside, loss="mse"):
    keras.utils.set_random_seed(0)
    rows = [keras.Input((4,), name="x"), BN(name="bn"), *inside, layers.Dense(1)]
    model = keras.Sequential(rows)
    model.compile("sgd", loss)
    x = np.random.default_rng(0).normal(5, 2, (128, 4)).astype("float32")
    model.fit(x, x[:, :1], epochs=2, batch_size=16, verbose=0)
    model.save(path)
    np.savez("data.npz", x=x, y=x[:, :1])


@pytest.fixture
def saved(folder):
    save("model.keras")
    return "model.keras"


class TestReport:
    def test_of_text_and_picture(self, command, saved):
        done = command("diagnose", saved, "--data", "data.npz", "--picture", "a.png")
        assert done.status == 1
        assert done.out.startswith("Not converged (certain).")
        assert Path("a.png").read_bytes()[:4] == b"\x89PNG"

    def test_of_json(self, command, saved):
        done = command("diagnose", saved, "--data", "data.npz", "--json")
        assert json.loads(done.out)["causes"][0]["name"] == "not converged"

    def test_of_outputs_by_the_names_of_inputs(self, command, saved):
        np.savez("x.npz", np.load("data.npz")["x"])  # As `arr_0`.
        done = command("diagnose", saved, "--data", "x.npz", "--json")
        assert json.loads(done.out)["compared"] == "outputs"

    @pytest.mark.parametrize("by_key", [True, False])
    def test_of_arrays_by_the_names_of_inputs_and_outputs(
        self, command, folder, by_key
    ):
        left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
        both = BN(momentum=0.999)(layers.Concatenate()([left, right]))
        ends = {name: layers.Dense(1, name=name)(both) for name in ("a", "b")}
        inputs = {"left": left, "right": right} if by_key else [left, right]
        model = keras.Model(inputs, ends)
        model.compile("sgd", {"a": "mse", "b": "mse"})
        model.save("model.keras")
        x = np.random.default_rng(0).normal(5, 2, (64, 2)).astype("float32")
        np.savez("data.npz", left=x, right=x, a=x[:, :1], b=x[:, 1:])
        done = command("diagnose", "model.keras", "--data", "data.npz", "--json")
        assert json.loads(done.out)["compared"] == "losses"
        np.savez("data.npz", left=x, a=x[:, :1], b=x[:, 1:])
        done = command("diagnose", "model.keras", "--data", "data.npz")
        assert done.status == 2
        assert "whose inputs are left, right. Received: data.npz with" in done.err

    def test_of_arrays_for_a_model_that_names_no_inputs(self, command, folder):
        model = Summing()
        x = np.random.default_rng(0).normal(5, 2, (64, 2)).astype("float32")
        model({"one": x, "two": x})
        model.save("model.keras")
        np.savez("data.npz", one=x, two=x)
        done = command("diagnose", "model.keras", "--data", "data.npz", "--json")
        assert json.loads(done.out)["samples"] == 64

    def test_of_a_legacy_file_whose_loss_keras_cannot_load(self, command, folder):
        save("model.h5", loss="mse")
        with pytest.raises(ValueError, match="deserialize"):
            keras.models.load_model("model.h5")
        done = command("diagnose", "model.h5", "--data", "data.npz", "--json")
        report = json.loads(done.out)
        assert report["compared"] == "losses"
        assert [cause["name"] for cause in report["causes"]] == ["not converged"]

    def test_of_a_model_by_its_name(self, command, saved):
        code = "import keras\nmodel = keras.models.load_model('model.keras')\n"
        Path("diagnosed_by_name.py").write_text(code)
        name = "diagnosed_by_name:model"
        assert command("diagnose", name, "--data", "data.npz").status == 1


def array_header(shape):
    file = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, description)
    return file.getvalue()


class TestRefused:
    def refused(self, command, *arguments):
        done = command("diagnose", *arguments)
        assert done.status == 2
        assert done.err.startswith("Error: ") or done.err.startswith("Usage: ")
        assert "Traceback" not in done.err
        assert done.out == ""
        return done.err

    def test_a_loss_that_a_legacy_file_only_names(self, command, folder):
        def own_loss(y, prediction):
            return (y - prediction) ** 2

        save("own.h5", loss=own_loss)
        message = self.refused(command, "own.h5", "--data", "data.npz")
        assert "compiled with 'own_loss'" in message
        assert "--import MODULE" in message

    def test_objects_in_the_data(self, command, saved):
        np.savez("bad.npz", x=np.asarray([{}, 3], object))
        said = self.refused(command, saved, "--data", "bad.npz")
        assert "hold objects" in said
        assert "Received: bad.npz" in said

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all"])
    def test_what_is_no_npz(self, command, saved, content):
        Path("bad.npz").write_bytes(content)
        assert "not an .npz file" in self.refused(command, saved, "--data", "bad.npz")

    def test_an_array_larger_than_what_is_stored(self, command, saved):
        with zipfile.ZipFile("bad.npz", "w") as archive:
            archive.writestr("x.npy", array_header((10**12, 4)))
        said = self.refused(command, saved, "--data", "bad.npz")
        assert "more than is stored" in said

    def test_data_that_are_too_large(self, command, saved, monkeypatch):
        monkeypatch.setattr("lint.diagnosis.npz._MOST_BYTES", 1000)
        assert "too large" in self.refused(command, saved, "--data", "data.npz")

    def test_arrays_of_other_names(self, command, saved):
        np.savez("bad.npz", images=np.zeros((4, 4)))
        said = self.refused(command, saved, "--data", "bad.npz")
        assert "whose inputs are x. Received: bad.npz with images" in said

    def test_no_data(self, command, saved):
        assert "does not exist" in self.refused(command, saved, "--data", "none.npz")
        assert "Missing option '--data'" in self.refused(command, saved)

    def test_no_model(self, command, saved):
        for name in ("none.keras", "data.npz"):
            said = self.refused(command, name, "--data", "data.npz")
            assert f"Received: {name}" in said or f"Received: '{name}" in said

    def test_a_class_that_was_not_imported(self, command, folder, monkeypatch):
        save("model.keras", Mine())
        monkeypatch.setattr("keras.saving.get_custom_objects", dict)
        said = self.refused(command, "model.keras", "--data", "data.npz")
        assert "diagnose_tests>Mine" in said
        assert "--import MODULE" in said

    def test_and_is_taken_if_it_was(self, command, folder):
        save("model.keras", Mine())
        assert command("diagnose", "model.keras", "--data", "data.npz").status == 1

    def test_and_one_that_is_only_named_by_its_module(
        self, command, folder, monkeypatch
    ):
        code = "import keras\nclass Plain(keras.layers.Identity): pass\n"
        Path("diagnosed_plain.py").write_text(code)
        monkeypatch.syspath_prepend(folder)
        save("model.keras", import_module("diagnosed_plain").Plain())
        arguments = ("model.keras", "--data", "data.npz")
        assert "Plain" in self.refused(command, *arguments)
        done = command("diagnose", *arguments, "--import", "diagnosed_plain")
        assert done.status == 1

    def test_a_loss_of_others(self, command, folder):
        def mine(y, prediction):
            return keras.ops.abs(y - prediction)

        save("model.keras", loss=mine)
        said = self.refused(command, "model.keras", "--data", "data.npz")
        assert "mine" in said

    @pytest.mark.parametrize("suffix", ["keras", "h5"])
    def test_but_no_loss_of_keras(self, command, folder, suffix):
        save(f"model.{suffix}", loss=keras.losses.mean_absolute_error)
        done = command("diagnose", f"model.{suffix}", "--data", "data.npz")
        assert "loss" in done.out, done

    def test_a_module_that_is_not_there(self, command, saved):
        arguments = (saved, "--data", "data.npz", "--import", "no_such_module")
        assert "cannot be imported" in self.refused(command, *arguments)

    @pytest.mark.parametrize(
        "function",
        [
            {"module": "keras.utils", "config": "get_file"},
            {"module": "keras.src.utils.file_utils", "config": "get_file"},
            {"module": "keras.saving", "config": "load_model"},
            {"module": "os", "config": "system"},
        ],
    )
    def test_a_file_that_names_a_function_that_does_more(
        self, command, saved, function
    ):
        entry = {"class_name": "function", "registered_name": "function", **function}
        with zipfile.ZipFile(saved) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        config["config"]["layers"][-1]["config"]["activation"] = entry
        members["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile("bad.keras", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        said = self.refused(command, "bad.keras", "--data", "data.npz")
        assert "holds the function" in said

    def test_a_lambda(self, command, folder):
        save("model.keras", layers.Lambda(keras.ops.relu))
        said = self.refused(command, "model.keras", "--data", "data.npz")
        assert "holds the layer class Lambda, which is not known" in said
