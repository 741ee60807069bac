"""Folds that a critical reader found wrong once: each is right, or refused, now."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import kerasbn
from kerasbn import UnusableFileError
from kerasbn.cli import main

from .models import L, outputs, randomise, sample


def assert_same(model, folded):
    x = sample(model)
    for expected, received in zip(outputs(model, x), outputs(folded, x), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def fold(model, folded, verify=True):
    result = kerasbn.fold_batch_norm(randomise(model), verify=verify)
    assert len(result.folded) == folded, result.kept
    assert_same(model, result.model)
    return result


@keras.saving.register_keras_serializable("reviewed")
class HasLayers(keras.layers.Layer):
    """Stores its inner layer under `layers`, as models do."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layers = [L.Dense(4)]

    def build(self, shape):
        self.layers[0].build(shape)

    def call(self, x):
        return self.layers[0](x)


def test_weights_that_a_custom_layer_stores_under_layers():
    inputs = keras.Input((4,))
    x = L.BatchNormalization()(L.Dense(3)(HasLayers()(inputs)))
    fold(keras.Model(inputs, x), folded=1)


def test_batch_norm_called_by_keyword_at_the_output():
    inputs = keras.Input((4,))
    x = L.BatchNormalization(name="bn")(inputs=L.Dense(3)(inputs))
    fold(keras.Model(inputs, x), folded=1)


@keras.saving.register_keras_serializable("reviewed")
class Partial(keras.Model):
    """A Functional model whose call leaves the BN out."""

    def call(self, x, training=None, mask=None):
        return self.get_layer("d")(x)


def test_a_nested_subclass_with_a_call_of_its_own_is_opaque():
    inner_in, inputs = keras.Input((4,)), keras.Input((4,))
    x = L.BatchNormalization(name="b")(L.Dense(3, name="d")(inner_in))
    inner = Partial(inner_in, x, name="inner")
    x = L.BatchNormalization()(L.Dense(3)(inner(inputs)))
    fold(keras.Model(inputs, x), folded=1)


@pytest.mark.long
def test_a_class_of_main_named_like_one_of_keras(tmp_path):
    """Its module is None in the file; only a script shows that."""
    script = tmp_path / "script.py"
    script.write_text(
        "import keras, kerasbn, numpy as np\n"
        "class Dense(keras.layers.Dense):\n"
        "    def call(self, x, training=None):\n"
        "        return keras.ops.tanh(super().call(x))\n"
        "m = keras.Sequential([keras.Input((4,)), Dense(3),\n"
        "    keras.layers.BatchNormalization(), keras.layers.ReLU()])\n"
        "m.layers[1].moving_mean.assign([1, 2, 3])\n"
        "r = kerasbn.fold_batch_norm(m)\n"
        "x = np.ones((2, 4), 'float32')\n"
        "np.testing.assert_allclose(r.model(x), m(x), rtol=1e-5)\n"
        "print(r.kept[0]['reason'])\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    )
    assert "the custom layer Dense" in done.stdout


def my_loss(y, prediction):
    return keras.ops.mean(keras.ops.abs(y - prediction))


def my_activation(x):
    return keras.ops.tanh(x)


class MyInitializer(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.ones(shape, dtype)


def test_functions_and_objects_of_the_users_own():
    inputs = keras.Input((4,))
    x = L.BatchNormalization()(L.Dense(3, kernel_initializer=MyInitializer())(inputs))
    x = L.Dense(2, activation=my_activation)(x)
    model = randomise(keras.Model(inputs, x))
    model.compile("adam", my_loss, metrics=[my_loss])
    x, y = np.ones((8, 4)), np.zeros((8, 2))
    expected = model.evaluate(x, y, verbose=0)

    folded = kerasbn.fold_batch_norm(model).model

    assert folded.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_underflow_in_half_precision_is_reported():
    model = keras.Sequential([keras.Input((4,), dtype="float16")])
    model.add(L.Dense(3, dtype="float16", name="d"))
    model.add(L.BatchNormalization(dtype="float16"))
    dense, bn = model.layers
    dense.kernel.assign(np.full((4, 3), 1e-4))
    bn.gamma.assign(np.full(3, 1e-4))
    result = kerasbn.fold_batch_norm(model)
    assert "weights of d are too small for its dtype" in result.notes[0]


def test_a_layer_shared_with_a_wrapper():
    one, other = keras.Input((4,)), keras.Input((5, 4))
    shared = L.Dense(3, name="d")
    x = L.BatchNormalization()(shared(one))
    y = L.TimeDistributed(shared, name="td")(other)
    result = fold(keras.Model([one, other], [x, y]), folded=0)
    assert "`d` may be part of `td`, too" in result.kept[0]["reason"]


def test_a_tensor_as_training_argument():
    inputs = keras.Input((4,))
    flag = keras.Input(batch_shape=(), dtype="bool")
    x = L.BatchNormalization()(L.Dense(3)(inputs), training=flag)
    result = kerasbn.fold_batch_norm(keras.Model([inputs, flag], x), verify=False)
    assert "training=True" in result.kept[0]["reason"]


@keras.saving.register_keras_serializable("reviewed")
class Sampling(keras.layers.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), dtype=x.dtype)


def test_a_model_that_draws_random_numbers():
    inputs = keras.Input((4,))
    x = Sampling()(L.BatchNormalization()(L.Dense(3)(inputs)))
    model = randomise(keras.Model(inputs, x))
    result = kerasbn.fold_batch_norm(model)
    assert result.verified
    assert result.proof.scope == "whole"  # Both draw the same numbers.


def test_a_folded_model_that_cannot_be_loaded_is_not_written(monkeypatch, tmp_path):
    from kerasbn.folding.proof import whole

    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization()])
    randomise(model).save(tmp_path / "in.keras")
    load = whole._load

    def fails(path, **options):
        if path.name.startswith("exact_folded"):
            raise whole._CannotRun("broken")
        return load(path, **options)

    monkeypatch.setattr(whole, "_load", fails)
    with pytest.raises(UnusableFileError, match="was not written, because broken"):
        kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")
    assert not (tmp_path / "out.keras").exists()


def test_a_subclass_of_sequential():
    class Stack(keras.Sequential):
        pass

    fold(Stack([keras.Input((4,)), L.Dense(3), L.BatchNormalization()]), folded=1)


def test_whatever_goes_wrong_is_one_message_and_2(tmp_path, monkeypatch):
    from kerasbn import cli

    def broken(*_, **__):
        raise KeyError("surprise")

    monkeypatch.setattr(cli, "fold_file", broken)
    done = CliRunner().invoke(main, ["a.keras", str(tmp_path / "b.keras")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: KeyError")


@pytest.mark.long
def test_the_current_folder_is_imported_from_only_when_asked(tmp_path):
    (tmp_path / "keras.py").write_text("raise SystemExit('run')")
    code = "import sys; from kerasbn.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "missing.keras", "b.keras"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "No such file" in done.stderr


def test_a_link_stays_a_link(tmp_path):
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization()])
    randomise(model).save(tmp_path / "in.keras")
    (tmp_path / "there").mkdir()
    link = tmp_path / "out.keras"
    link.symlink_to(pathlib.Path("there") / "real.keras")
    kerasbn.fold_file(tmp_path / "in.keras", link, verify=False, force=True)
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.keras").exists()
