"""Models of Keras 2 that Keras 3 would run otherwise: refused, changed, or noted."""

import json
from contextlib import suppress

import h5py
import numpy as np
import pytest

import lint
from kerasbn.archive import UnsupportedFormatError, UnusableFileError, open_archive
from kerasbn.archive.translated import in_keras_3
from kerasbn.folding import apply, fold_file
from kerasbn.graph import read_graph
from kerasbn.graph.keras2 import translate
from kerasbn.graph.keras2.operator_shapes import of_operator
from kerasbn.graph.keras2.shapes import output_shapes
from lint.subjects import Opener, saved_model

INPUT = {"batch_input_shape": [None, 8, 8, 3], "dtype": "float32"}
BN = {"axis": [3], "momentum": 0.9, "epsilon": 1e-3, "center": True, "scale": True}
ORDER = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


def layer(kind, name, inputs=(), **config):
    nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, "trainable": True, **config},
        "inbound_nodes": nodes,
    }


def model(*layers):
    first, last = layers[0]["name"], layers[-1]["name"]
    config = {
        "name": "model",
        "layers": list(layers),
        "input_layers": [[first, 0, 0]],
        "output_layers": [[last, 0, 0]],
    }
    return {"class_name": "Model", "config": config}


def conv(name="conv", source="x", size=3, **config):
    config = {"padding": "same", "use_bias": True, **config}
    return layer("Conv2D", name, [source], filters=4, kernel_size=[size] * 2, **config)


def write(path, configuration, version="2.2.4", backend="tensorflow", size=3):
    """A file of Keras 2 with random weights for its layers `conv` and `bn`."""
    rng = np.random.default_rng(0)
    stored = {
        "conv": {"kernel": rng.normal(size=(size, size, 3, 4)), "bias": np.ones(4)},
        "bn": dict(zip(ORDER[2:], rng.uniform(0.5, 2, (4, 4)), strict=True)),
    }
    names = [entry["name"] for entry in configuration["config"]["layers"]]
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(configuration)
        file.attrs["keras_version"] = version
        file.attrs["backend"] = backend
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = names
        for name in names:
            arrays = stored.get(name, {})
            group = weights.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{key}:0" for key in arrays]
            for key, values in arrays.items():
                group[f"{name}/{key}:0"] = values.astype("float32")
    return path


X = layer("InputLayer", "x", **INPUT)
CONV_BN = (X, conv(), layer("BatchNormalization", "bn", ["conv"], **BN))


def refusal(path):
    with open_archive(path) as archive, pytest.raises(UnsupportedFormatError) as error:
        in_keras_3(archive)
    return str(error.value)


def test_kernels_that_theano_turned_around_are_refused(tmp_path):
    path = write(tmp_path / "in.h5", model(*CONV_BN), backend="theano")
    message = refusal(path)
    assert "'conv'" in message
    assert "Theano" in message
    assert lint.check(path) == []  # Statistics are the same there.
    for backend in ("tensorflow", "cntk"):
        write(path, model(*CONV_BN), backend=backend)
        assert len(fold_file(path, tmp_path / "out.keras", dry_run=True).folded) == 1


def test_theano_turns_a_single_place_around_to_itself(tmp_path):
    layers = (X, conv(size=1), CONV_BN[2])
    path = write(tmp_path / "in.h5", model(*layers), backend="theano", size=1)
    assert len(fold_file(path, tmp_path / "out.keras", dry_run=True).folded) == 1


def test_theano_in_a_wrapper(tmp_path):
    inner = {"class_name": "Conv2D", "config": conv()["config"]}
    wrapped = layer("TimeDistributed", "each", ["x"], layer=inner)
    clip = layer("InputLayer", "x", batch_input_shape=[None, 2, 8, 8, 3])
    path = write(tmp_path / "in.h5", model(clip, wrapped), backend="theano")
    assert "'each'" in refusal(path)


@pytest.mark.parametrize(
    ("version", "noted"),
    [
        *(("2.0.6", True), ("2.2.4-tf", True), ("2.3.1", True)),
        *(("2.3.0-tf", False), ("2.4.0", False), ("2.13.1", False)),
    ],
)
def test_bilinear_scaling_of_an_unknown_tensorflow_is_noted(tmp_path, version, noted):
    up = layer("UpSampling2D", "up", ["bn"], size=[2, 2], interpolation="bilinear")
    path = write(tmp_path / "in.h5", model(*CONV_BN, up), version)
    notes = fold_file(path, tmp_path / "out.keras", dry_run=True).notes
    assert any("`up` scales bilinearly" in note for note in notes) == noted


def test_nearest_neighbours_are_the_same_everywhere(tmp_path):
    up = layer("UpSampling2D", "up", ["bn"], size=[2, 2], interpolation="nearest")
    path = write(tmp_path / "in.h5", model(*CONV_BN, up), "2.0.6")
    notes = fold_file(path, tmp_path / "out.keras", dry_run=True).notes
    assert not any("bilinear" in note for note in notes)


def test_training_true_is_noted(tmp_path):
    flagged = layer("BatchNormalization", "bn", ["conv"], **BN)
    flagged["inbound_nodes"][0][0][3]["training"] = True
    path = write(tmp_path / "in.h5", model(X, conv(), flagged))
    result = fold_file(path, tmp_path / "out.keras", dry_run=True)
    assert not result.folded
    assert any("`bn` is called with training=True" in note for note in result.notes)


FUNCTION = {"module": "builtins", "class_name": "function", "config": "hard_sigmoid"}


@pytest.mark.parametrize("activation", ["hard_sigmoid", FUNCTION])
def test_the_hard_sigmoid_of_keras_2_is_made_of_layers(activation):
    translated = translate(model(X, conv(activation=activation))).config
    entries = {
        entry["name"]: entry["config"] for entry in translated["config"]["layers"]
    }
    assert entries["conv"]["activation"] == "linear"
    assert (entries["conv_scaled"]["scale"], entries["conv_scaled"]["offset"]) == (
        0.2,
        0.5,
    )
    assert entries["conv_clipped"]["max_value"] == 1.0


def test_no_word_of_loading_it_in_keras_3_where_that_computes_otherwise(tmp_path):
    words = layer("InputLayer", "x", batch_input_shape=[None, 5, 3])
    options = {"units": 4, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}
    path = write(tmp_path / "in.h5", model(words, layer("LSTM", "l", ["x"], **options)))
    message = refusal(path)
    assert "'l'" in message
    assert "0.2 x + 0.5" in message
    assert "load_model" not in message
    assert f"load_weights({str(path)!r})" in message


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("TensorFlowOpLayer", "Build the model in Keras 3 from its code"),
        ("CuDNNLSTM", "with LSTM in its place"),
        ("CuDNNGRU", r"with GRU(reset_after=True) in its place"),
        ("Lambda", "Build the model in Keras 3 from its code"),
        ("Mystery", "keras.models.load_model"),
    ],
)
def test_a_class_that_is_not_translated_is_named_with_a_way(tmp_path, kind, way):
    odd = layer(kind, "odd", ["bn"], units=4)
    path = write(tmp_path / "in.h5", model(*CONV_BN, odd))
    message = refusal(path)
    assert f"'odd' ({kind})" in message
    assert way in message


def test_keras_1_is_refused_by_its_version(tmp_path):
    path = write(tmp_path / "in.h5", model(*CONV_BN), version="1.2.2")
    assert "Keras 1" in refusal(path)
    assert lint.check(path) == []


@pytest.mark.parametrize(
    "odd", [{"kernel_size": {}}, {"filters": None}, {"activation": [1]}, {"name": 3}]
)
def test_odd_values_raise_one_kind_of_error(odd):
    entry = conv()
    entry["config"].update(odd)
    with suppress(UnusableFileError):  # Nothing else.
        translate(model(X, entry))


def test_names_with_slashes_are_kept_for_a_reader():
    entries = model(X, conv("block/conv"))
    kept = read_graph(translate(entries, keep_names=True).config)
    assert set(kept.layers) == {"x", "block/conv"}
    changed = translate(entries)
    assert changed.old_paths == {"block_conv": "block/conv"}


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("LSTM", {"return_state": True}, [(None, 4)] * 3),
        ("GRU", {"return_state": True}, [(None, 4)] * 2),
        ("SimpleRNN", {"return_sequences": True}, [(None, 5, 4)]),
    ],
)
def test_what_recurrent_layers_return(kind, config, expected):
    entry = {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"units": 4, **config},
    }
    assert output_shapes(entry, [(None, 5, 3)]) == expected


@pytest.mark.parametrize(
    ("target", "shape", "expected"),
    [
        ([-1, 6], (4, 3, 2), (4, 6)),
        ([-1, 6], (None, 3, 2), (None, 6)),
        ([2, -1], (2, None), (2, None)),
    ],
)
def test_what_reshape_returns(target, shape, expected):
    assert of_operator("Reshape", {"newshape": target}, [shape], []) == [expected]


def test_the_lint_knows_what_arithmetic_does(tmp_path):
    halved = layer("TFOpLambda", "halved", function="math.multiply")
    halved["inbound_nodes"] = [["conv", 0, 0, {"y": 0.5}]]
    path = write(tmp_path / "in.h5", model(X, conv(), halved, _read_by_bn("halved")))
    with Opener().open(path) as found:
        kinds = [node.class_name for node in found.graph.walk()]
        assert kinds == ["InputLayer", "Conv2D", "Multiply", "BatchNormalization"]
        assert found.keras_version == "2.2.4"  # For the rules: it ran in Keras 2.
        (bn,) = found.batch_norms
        assert bn.read_statistics().mean.shape == (4,)


def test_the_lint_reads_what_is_not_translated_as_it_is(tmp_path):
    odd = layer("Mystery", "odd", ["conv"])
    path = write(tmp_path / "in.h5", model(X, conv(), odd, _read_by_bn("odd", 0.1)))
    assert [(finding.code, finding.layer) for finding in lint.check(path)] == [
        ("BN201", "bn")
    ]


def _read_by_bn(source, momentum=0.9):
    return layer("BatchNormalization", "bn", [source], **{**BN, "momentum": momentum})


@pytest.mark.parametrize("error", [KeyError, TypeError, IndexError])
def test_a_mistake_of_ours_is_not_taken_for_damage(tmp_path, monkeypatch, error):
    def broken(*_):
        raise error("ours")

    path = write(tmp_path / "in.h5", model(*CONV_BN))
    monkeypatch.setattr(apply, "make_plan", broken)
    with pytest.raises(error, match="ours"):
        fold_file(path, tmp_path / "out.keras", verify=False)
    monkeypatch.setattr(saved_model, "read_layers", broken)
    (finding,) = lint.check(path)
    assert "The linter itself failed" in finding.message
