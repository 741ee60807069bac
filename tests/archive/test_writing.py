"""What is written again unchanged is what Keras would have saved."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasbn.archive import UnusableFileError, open_archive, write_archive

from .files import (
    KERAS_3,
    SAVED_MODELS,
    STEMS,
    live_variables,
    load,
    members,
    predict,
    same_array,
    write_members,
)


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Keras advises against legacy `.h5` at each save; `load` still is strict."""


def rewritten(path, changed=None):
    """The file written again, with nothing changed but what is given."""
    target = path.parent / "again.keras"
    with open_archive(path) as archive:
        config = archive.config
        # The optimizer's state is left out; Keras would warn that it is missing.
        config = {**config, "compile_config": None}
        write_archive(target, archive, config, changed or {})
    return target


def saved(model, folder, suffix="keras"):
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    path = folder / f"model.{suffix}"
    model.save(path)
    return path


def assert_same_model(model, path, inputs):
    again = load(path)
    pairs = list(zip(model.variables, again.variables, strict=True))
    # Keras saves no seeds.
    saved_pairs = [pair for pair in pairs if "seed" not in pair[0].path]
    assert len(saved_pairs) > 3
    assert all(same_array(left, right) for left, right in saved_pairs)
    expected = predict(model, inputs)
    assert all(map(same_array, predict(again, inputs), expected))


@pytest.mark.parametrize("version", KERAS_3)
@pytest.mark.parametrize("stem", STEMS)
def test_keras_file_of_every_version(tmp_path, version, stem):
    path = tmp_path / "model.keras"
    path.write_bytes((SAVED_MODELS / version / f"{stem}.keras").read_bytes())
    model, again = load(path, compile=False), load(rewritten(path))
    expected, found = live_variables(model), live_variables(again)
    assert found.keys() == expected.keys()
    for layer, arrays in expected.items():
        assert all(map(same_array, found[layer], arrays))


@pytest.mark.parametrize("version", KERAS_3)
@pytest.mark.parametrize("stem", ["functional", "nested", "bfloat16", "mixed_float16"])
def test_legacy_file_of_every_version(tmp_path, version, stem):
    path = tmp_path / "model.h5"
    path.write_bytes((SAVED_MODELS / version / f"{stem}.h5").read_bytes())
    data = np.load(SAVED_MODELS / version / f"{stem}.npz")
    inputs = [data[name] for name in data.files if name.startswith("in_")]
    again = load(rewritten(path))
    found = predict(again, inputs if len(inputs) > 1 else inputs[0])
    for number, output in enumerate(found):
        expected = data[f"out_{number}"]
        # Processors round sums of bfloat16, of 8 bits, differently.
        tolerance = 2e-2 if stem == "bfloat16" else 2e-3
        np.testing.assert_allclose(output, expected, rtol=tolerance, atol=tolerance)


def sequences():
    return np.random.default_rng(1).normal(size=(2, 5, 4)).astype("float32")


COMPOSITES = {
    "lstm": lambda: layers.LSTM(3),
    "stacked_rnn": lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)]),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(3, dropout=0.1)),
    "time_distributed": lambda: layers.TimeDistributed(layers.Dense(3)),
    "spectral": lambda: layers.SpectralNormalization(layers.Dense(3)),
}


def composite(make):
    """Two of the kind, so that a number in the file matters, and BN after each."""
    inputs = layers.Input((5, 4))
    branches = [layers.BatchNormalization()(make()(inputs)) for _ in range(2)]
    x = layers.Dropout(0.5)(layers.Concatenate()(branches))
    return keras.Model(inputs, layers.Dense(2)(x))


@pytest.mark.parametrize("kind", COMPOSITES)
def test_layers_with_objects_inside(tmp_path, kind):
    model = composite(COMPOSITES[kind])
    path = rewritten(saved(model, tmp_path))
    assert_same_model(model, path, sequences())


def test_attention(tmp_path):
    inputs = layers.Input((5, 4))
    x = layers.MultiHeadAttention(2, 3, dropout=0.1)(
        inputs, inputs, use_causal_mask=True
    )
    x = layers.GroupQueryAttention(2, 4, 2)(x, x)
    model = keras.Model(inputs, layers.BatchNormalization()(x))
    assert_same_model(model, rewritten(saved(model, tmp_path)), sequences())


@pytest.mark.parametrize("kind", COMPOSITES)
def test_legacy_file_tells_where_inner_weights_belong(tmp_path, kind):
    model = composite(COMPOSITES[kind])
    path = rewritten(saved(model, tmp_path, "h5"))
    assert_same_model(model, path, sequences())


def test_legacy_file_with_weights_of_the_model_itself(tmp_path):
    class Scaled(keras.Sequential):
        def build(self, input_shape=None):
            super().build(input_shape)
            self.factor = self.add_weight(name="factor", shape=())

    model = Scaled([layers.Input((3,)), layers.Dense(2)])
    path = saved(model, tmp_path, "h5")
    with pytest.raises(UnusableFileError, match="owns weights"):
        rewritten(path)


class Reversed(layers.Layer):
    """Makes a weight that is not trained before one that is."""

    def build(self, shape):
        self.still = self.add_weight(shape=(3,), trainable=False, name="still")
        self.moving = self.add_weight(shape=(3,), name="moving")

    def call(self, x):
        return x * self.still + self.moving


def test_legacy_file_does_not_tell_the_order_of_a_custom_layers_weights(tmp_path):
    model = keras.Sequential([layers.Input((3,)), Reversed(name="mine")])
    path = saved(model, tmp_path, "h5")
    with pytest.raises(UnusableFileError, match=r"order.*'mine'"):
        rewritten(path)


def vocabulary_model(folder):
    words = layers.TextVectorization(output_sequence_length=4, name="words")
    words.adapt(["a b", "c a"])
    other = layers.StringLookup(name="keys")
    other.adapt(["x", "y", "y"])
    text, key = (layers.Input((1,), dtype="string", name=n) for n in ("text", "key"))
    x = layers.Embedding(6, 3)(words(text))
    y = layers.Embedding(4, 3)(other(key))
    x = layers.BatchNormalization()(layers.Concatenate(axis=1)([x, y]))
    model = keras.Model([text, key], layers.Dense(2)(layers.Flatten()(x)))
    return model, saved(model, folder)


def test_vocabularies(tmp_path):
    import tensorflow as tf

    model, path = vocabulary_model(tmp_path)
    again = rewritten(path)
    assert_same_model(model, again, [tf.constant([["c a"]]), tf.constant([["y"]])])
    with open_archive(path) as archive:
        found = {(a.layer, a.name): a.file.read() for a in archive.assets()}
    expected = {name: data for name, data in members(path).items() if "assets" in name}
    assert sorted(found.values()) == sorted(expected.values())
    assert {layer for layer, _ in found} == {"words", "keys"}


def test_deflated_file_is_read_and_written_stored(tmp_path):
    import zipfile

    path = tmp_path / "deflated.keras"
    source = SAVED_MODELS / "keras-3.15" / "nested.keras"
    write_members(path, members(source), zipfile.ZIP_DEFLATED)
    with open_archive(path) as archive, open_archive(source) as stored:
        for layer in ("inner/conv", "twice/bn"):
            pairs = zip(archive.variables(layer), stored.variables(layer), strict=True)
            assert all(same_array(left.read(), right.read()) for left, right in pairs)
    with zipfile.ZipFile(rewritten(path)) as container:
        kinds = {member.compress_type for member in container.infolist()}
    assert kinds == {zipfile.ZIP_STORED}


def test_changed_arrays_are_written_in_their_dtype(tmp_path):
    import ml_dtypes

    path = tmp_path / "model.keras"
    path.write_bytes((SAVED_MODELS / "keras-3.15" / "bfloat16.keras").read_bytes())
    kernel = np.full((5, 4), 0.1, ml_dtypes.bfloat16)
    bias = np.arange(4).astype(ml_dtypes.bfloat16)
    again = load(rewritten(path, {"dense_first": (kernel, bias)}))
    written = [np.asarray(v) for v in again.get_layer("dense_first").variables]
    assert all(map(same_array, written, (kernel, bias)))


def test_optimizer_is_left_out(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes((SAVED_MODELS / "keras-3.15" / "functional.keras").read_bytes())
    with open_archive(rewritten(path)) as archive:
        assert archive.iterations() is None
        assert "optimizer" not in archive.root
        assert archive.keras_version == "3.15.1"
