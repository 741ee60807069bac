"""What was proven is said in the same words everywhere, and never more than that."""

from __future__ import annotations

import json
import zipfile

import keras
import pytest
from click.testing import CliRunner

import kerasbn
from kerasbn.archive import open_archive
from kerasbn.cli import main
from kerasbn.folding.apply import FoldedModel
from kerasbn.folding.plan import make_plan
from kerasbn.folding.proof.written import flaw
from kerasbn.graph import read_graph, unknown_parts

from . import hostile
from .models import L, randomise


def saved(folder, function, shape=(6, 6, 3)):
    inputs = keras.Input(shape)
    model = randomise(keras.Model(inputs, function(inputs)))
    model.save(folder / "in.keras")
    return folder / "in.keras"


def conv_bn(x):
    return L.BatchNormalization()(L.Conv2D(4, 3)(x))


def with_lambda(x):
    return L.Lambda(lambda t: t * 2, name="double")(conv_bn(x))


def with_two_lambdas(x):
    return L.Lambda(lambda t: t + 1)(with_lambda(x))


def only_lambda(x):
    return L.Lambda(lambda t: t * 2, name="double")(x)


@pytest.mark.parametrize(
    ("function", "verdict", "scope", "verified"),
    [
        (conv_bn, "verified", "whole", True),
        (with_lambda, "verified in parts", "parts", True),
        (only_lambda, "not verified", None, None),
    ],
)
def test_all_forms_say_the_same(tmp_path, function, verdict, scope, verified):
    source = saved(tmp_path, function)
    result = kerasbn.fold_file(source, tmp_path / "out.keras")
    assert (result.proof.verdict, result.proof.scope) == (verdict, scope)
    assert result.verified is verified
    assert result.to_json()["proof"] == scope
    assert f"  {verdict}" in str(result)
    assert f", {verdict}" in result._repr_html_()
    done = CliRunner().invoke(main, [str(source), str(tmp_path / "b.keras")])
    assert done.exit_code == 0, done.output
    said = f"{verdict.capitalize()}: relative error"
    assert (said in " ".join(done.output.split())) is (verified is True)


def test_layers_that_are_not_run_are_counted_once(tmp_path):
    result = kerasbn.fold_file(saved(tmp_path, with_two_lambdas), tmp_path / "o.keras")
    (note,) = result.notes
    assert note.endswith(", and 1 more like it")


def test_batch_norm_in_a_layer_that_is_not_opened_is_named(tmp_path):
    inner = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3)], name="inner")
    inner.add(L.BatchNormalization())
    source = saved(tmp_path, L.TimeDistributed(inner, name="each"), (2, 6, 6, 3))
    for dry_run in (True, False):
        result = kerasbn.fold_file(source, tmp_path / "o.keras", dry_run=dry_run)
        note = "TimeDistributed `each` is not opened: 1 BN in it stays"
        assert result.notes == [note]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: L.LSTM(3),
        lambda: L.Bidirectional(L.GRU(2)),
        lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)])),
    ],
)
def test_weights_of_objects_inside_layers_are_compared(tmp_path, layer):
    """A single weight that is not the original's is found in the file."""
    inputs = keras.Input((4, 3))
    x = L.BatchNormalization()(L.Dense(3)(layer()(inputs)))
    model = randomise(keras.Model(inputs, x))
    model.save(tmp_path / "in.keras")
    folded = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert folded.verified
    with open_archive(tmp_path / "in.keras") as archive:
        graph = read_graph(archive.config)
        meant = FoldedModel(graph, archive, make_plan(graph, archive))
        assert flaw(meant, tmp_path / "out.keras") is None
        bias = model.layers[1].trainable_variables[-1]
        bias.assign_add(keras.ops.full(bias.shape, 1e-3))
        model.save(tmp_path / "moved.keras")
        kerasbn.fold_file(tmp_path / "moved.keras", tmp_path / "other.keras")
        name = model.layers[1].name
        assert f"weights of `{name}`" in flaw(meant, tmp_path / "other.keras")


def test_a_tensor_that_is_a_mask_is_not_folded_away(tmp_path):
    """A BN whose output is another BN's mask, and a pooling's."""
    marks, inputs = keras.Input((5,)), keras.Input((5, 3))
    mask = L.BatchNormalization(name="mask")(marks)
    x = L.BatchNormalization(name="masked")(inputs, mask=mask)
    y = L.GlobalAveragePooling1D()(L.Dense(2)(x), mask=mask)
    model = randomise(keras.Model([marks, inputs], y))
    model.save(tmp_path / "in.keras")
    result = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert result.verified
    reasons = {finding["layer"]: finding["reason"] for finding in result.kept}
    assert "is called with more than one tensor" in reasons["mask"]


def test_special_names_are_not_known_by_registration():
    for name in ("__lambda__", "__typespec__"):
        registered = {"registered_name": "kerasbn>BatchNormalization"}
        assert unknown_parts([{**hostile.BYTECODE, **registered, "class_name": name}])


def test_names_turn_nothing_around_in_a_picture(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(2)(inputs), name="a\u202eb\x9b\u2028")
    model.save(tmp_path / "in.keras")
    result = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "o.keras", False)
    for shown in (result.picture(), result._repr_html_()):
        assert not set(shown) & {"\u202e", "\x9b", "\u2028"}
    assert "a\\u202eb\\x9b\\u2028" in result.picture()
    assert json.dumps(result.to_json())


@pytest.mark.parametrize("compiled", [True, -1, "x", ["sgd"], {}, None])
def test_an_odd_compilation_is_left_behind(tmp_path, compiled):
    source = saved(tmp_path, conv_bn)
    with zipfile.ZipFile(source) as before:
        members = {name: before.read(name) for name in before.namelist()}
    config = json.loads(members["config.json"]) | {"compile_config": compiled}
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(source, "w") as after:
        for name, data in members.items():
            after.writestr(name, data)
    kerasbn.fold_file(source, tmp_path / "out.keras", False)
    assert not keras.models.load_model(tmp_path / "out.keras").compiled
