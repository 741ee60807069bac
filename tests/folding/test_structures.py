"""Folding through every structure of a model; the result is what users rely on."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasbn

from .models import L, outputs, randomise, sample


def fold(model, folded):
    """Fold `model` with verification and compare its outputs, too."""
    randomise(model)
    result = kerasbn.fold_batch_norm(model)
    assert [entry["layer"] for entry in result.folded] == folded
    assert result.kept == []
    assert result.verified
    assert result.error["float64"] <= 1e-9
    x = sample(model)
    for expected, received in zip(
        outputs(model, x), outputs(result.model, x), strict=True
    ):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
    return result.model


def test_the_model_itself_stays_as_it_is():
    model = keras.Sequential([keras.Input((3,)), L.Dense(4), L.BatchNormalization()])
    randomise(model)
    before = [np.asarray(value) for value in model.get_weights()]
    kerasbn.fold_batch_norm(model)
    assert len(model.layers) == 2
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batch_norm_after_batch_norm():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            L.Dense(4, name="d"),
            L.BatchNormalization(name="a"),
            kerasbn.BatchNormalization(name="b"),
            L.ReLU(),
        ]
    )
    assert fold(model, ["a", "b"]).layers[0].name == "d"


def test_batch_norm_at_the_output_keeps_its_name():
    inputs = keras.Input((3,))
    x = L.Dense(4)(inputs)
    model = keras.Model(inputs, {"out": L.BatchNormalization(name="normed")(x)})
    folded = fold(model, ["normed"])
    assert folded.output_names == model.output_names
    assert type(folded.get_layer("normed")) is L.Identity


def test_several_outputs_with_losses_by_name():
    inputs = keras.Input((3,))
    a = L.BatchNormalization(name="a")(L.Dense(2)(inputs))
    b = L.Dense(1, name="b")(L.ReLU()(a))
    model = randomise(keras.Model(inputs, [a, b]))
    model.compile("adam", loss={"a": "mse", "b": "mae"}, metrics={"b": ["mse"]})
    x, targets = np.ones((8, 3)), {"a": np.ones((8, 2)), "b": np.zeros((8, 1))}
    expected = model.evaluate(x, targets, verbose=0, return_dict=True)

    folded = kerasbn.fold_batch_norm(model).model

    received = folded.evaluate(x, targets, verbose=0, return_dict=True)
    assert received == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_evaluate_after_training(policy):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            L.Dense(4, dtype=policy),
            L.BatchNormalization(dtype=policy),
        ]
    )
    model.add(L.Dense(1, dtype="float32"))
    model.compile("adam", loss="mse")
    x, y = np.random.default_rng(0).normal(size=(2, 64, 3))
    model.fit(x, y[:, :1], verbose=0)
    expected = model.evaluate(x, y[:, :1], verbose=0)

    folded = kerasbn.fold_batch_norm(model).model

    assert type(folded.optimizer).__name__ == "SGD"
    tolerance = 1e-5 if policy == "float32" else 2e-2
    assert folded.evaluate(x, y[:, :1], verbose=0) == pytest.approx(
        expected, rel=tolerance
    )


def nested(name="inner"):
    inputs = keras.Input((6, 2))
    x = L.BatchNormalization(name="bn")(L.Conv1D(3, 3, name="conv")(inputs))
    return keras.Model(inputs, x, name=name)


def test_nested_models_used_twice_count_once():
    inner = nested()
    a, b = keras.Input((6, 2)), keras.Input((6, 2))
    x = L.Concatenate()([inner(a), inner(b)])
    x = L.BatchNormalization(name="last")(L.Dense(2)(x))
    fold(keras.Model([a, b], x), ["inner/bn", "last"])


def test_batch_norm_behind_a_nested_model():
    inner = keras.Sequential([keras.Input((6, 2)), L.Conv1D(3, 3)], name="inner")
    model = keras.Sequential([keras.Input((6, 2)), inner, L.BatchNormalization()])
    fold(model, [model.layers[-1].name])


def test_batch_norm_at_the_input_of_a_nested_model():
    inputs = keras.Input((4, 3))
    x = L.ReLU()(L.BatchNormalization(name="bn")(inputs))
    inner = keras.Model(inputs, x, name="inner")
    fold(keras.Sequential([keras.Input((6, 2)), L.Conv1D(3, 3), inner]), ["inner/bn"])


@pytest.mark.parametrize("functional", [True, False])
def test_a_nested_model_that_is_nothing_but_batch_norm(functional):
    batch_norm = L.BatchNormalization(name="bn")
    inner = keras.Sequential([keras.Input((4, 3)), batch_norm], name="inner")
    if functional:
        inputs = keras.Input((4, 3))
        inner = keras.Model(inputs, batch_norm(inputs), name="inner")
    model = keras.Sequential([keras.Input((6, 2)), L.Conv1D(3, 3), inner, L.ReLU()])
    fold(model, ["inner/bn"])


def test_batch_norm_behind_a_nested_model_that_is_used_twice():
    """The convolution inside has two readers, of which only one is BN."""
    inner = keras.Sequential([keras.Input((6, 2)), L.Conv1D(3, 3)], name="inner")
    a, b = keras.Input((6, 2)), keras.Input((6, 2))
    x = L.Concatenate()([L.BatchNormalization()(inner(a)), inner(b)])
    model = randomise(keras.Model([a, b], L.ReLU()(x)))
    (kept,) = kerasbn.fold_batch_norm(model).kept
    assert "called 2 times with the same weights" in kept["reason"]


def test_a_nested_model_whose_inputs_are_given_by_name():
    """Only Keras' code says which tensor is which input, so it is not crossed."""
    one, other = keras.Input((3,), name="one"), keras.Input((3,), name="other")
    inner = keras.Model([one, other], [L.Dense(3)(one), L.Dense(3)(other)], name="m")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    x, y = inner({"other": a, "one": b})
    model = keras.Model([a, b], [L.BatchNormalization()(x), L.ReLU()(y)])
    (kept,) = kerasbn.fold_batch_norm(randomise(model)).kept
    assert "reads the nested model `m`" in kept["reason"]


def test_a_layer_and_its_batch_norm_both_used_twice():
    """All calls ask the same of the layer, as in a Siamese network."""
    dense, batch_norm = L.Dense(3), L.BatchNormalization(name="bn")
    a, b = keras.Input((3,)), keras.Input((3,))
    x = L.Concatenate()([batch_norm(dense(a)), batch_norm(dense(b))])
    fold(keras.Model([a, b], L.ReLU()(x)), ["bn"])


def test_the_same_tensor_read_twice_by_one_batch_norm():
    inputs = keras.Input((3,))
    x, shared = L.Dense(4)(inputs), L.BatchNormalization(name="bn")
    fold(keras.Model(inputs, L.Add()([shared(x), shared(x)])), ["bn"])


def test_batch_norm_that_reads_itself():
    inputs = keras.Input((3,))
    shared = L.BatchNormalization(name="bn")
    model = randomise(keras.Model(inputs, shared(shared(L.Dense(4)(inputs)))))
    (kept,) = kerasbn.fold_batch_norm(model).kept
    assert "reads itself" in kept["reason"]


def test_batch_norm_takes_in_batch_norm():
    """The one that stays gets a gamma and a beta."""
    inputs = keras.Input((3,))
    x = L.BatchNormalization(name="a")(inputs)
    x = L.BatchNormalization(name="b", center=False, scale=False)(x)
    model = randomise(keras.Model(inputs, L.ReLU()(x)))
    result = kerasbn.fold_batch_norm(model)
    assert result.folded == [{"layer": "a", "into": ["b"], "route": "forward"}]
    assert [kept["layer"] for kept in result.kept] == ["b"]
    x = sample(model)
    (expected,), (received,) = outputs(model, x), outputs(result.model, x)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


def test_one_of_several_that_read_a_linear_tensor():
    """The convolution takes in the last one, and the others undo that."""
    inputs = keras.Input((8, 8, 3))
    first = L.Conv2D(4, 3, padding="same", name="c")(inputs)
    x = L.ReLU()(L.BatchNormalization(name="a")(first))
    x = L.Concatenate()([first, L.Conv2D(2, 3, padding="same", name="d")(x)])
    x = L.ReLU()(L.BatchNormalization(name="b")(x))
    model = randomise(keras.Model(inputs, x))
    for name in "ab":
        gamma = model.get_layer(name).gamma
        gamma.assign(np.linspace(-1, 1, gamma.shape[0]))
    result = kerasbn.fold_batch_norm(model)
    assert result.folded == [
        {"layer": "b", "into": ["c", "a", "d"], "route": "backward"}
    ]
    x = sample(model)
    (expected,), (received,) = outputs(model, x), outputs(result.model, x)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_a_map_that_cannot_be_undone():
    inputs = keras.Input((3,))
    x = L.Dense(4)(inputs)
    branches = [L.ReLU()(L.BatchNormalization(name=name)(x)) for name in "ab"]
    model = randomise(keras.Model(inputs, branches))  # Some gammas are 0.
    assert kerasbn.fold_batch_norm(model).folded == []


def test_models_nested_in_nested_models():
    deepest = nested("deepest")
    middle = keras.Sequential([keras.Input((6, 2)), deepest, L.ReLU()], name="middle")
    inputs = keras.Input((6, 2))
    model = keras.Model(inputs, middle(inputs))
    fold(model, ["middle/deepest/bn"])


def test_nested_model_as_output():
    inner = nested()
    inputs = keras.Input((6, 2))
    model = keras.Model(inputs, [inner(inputs), inner(inputs * 2)])
    fold(model, ["inner/bn"])


def test_branches_of_different_depth():
    """Without BN, Keras lists the layers, and numbers their weights, differently."""
    inputs = keras.Input((8, 8, 3))
    short = L.Conv2D(4, 1, name="short")(inputs)
    long = L.BatchNormalization(name="bn1")(L.Conv2D(4, 1, name="long1")(inputs))
    long = L.BatchNormalization(name="bn2")(L.Conv2D(4, 1, name="long2")(long))
    middle = L.ReLU()(L.Conv2D(4, 1, name="middle1")(inputs))
    middle = L.Conv2D(4, 1, name="middle2")(middle)
    fold(keras.Model(inputs, L.Add()([short, middle, long])), ["bn1", "bn2"])


def test_functional_subclass():
    class Net(keras.Model):
        def __init__(self, units):
            inputs = keras.Input((3,))
            x = L.BatchNormalization(name="bn")(L.Dense(units)(inputs))
            super().__init__(inputs, L.ReLU()(x))

    assert type(fold(Net(4), ["bn"])).__name__ == "Functional"


def test_layers_with_assets_and_inner_objects():
    """A vocabulary, an RNN's cell and a seed follow their layers to new numbers."""
    words = keras.Input((), dtype="string", name="words")
    numbers = keras.Input((5, 3), name="numbers")
    lookup = L.StringLookup(vocabulary=["the", "layer"], name="lookup")
    one = L.Embedding(4, 3)(lookup(words))
    x = L.BatchNormalization(name="a")(L.Dense(3, name="first")(numbers))
    x = L.LSTM(3)(L.Dropout(0.5)(x))
    x = L.Add()([x, one])
    model = keras.Model([words, numbers], L.BatchNormalization(name="b")(L.Dense(2)(x)))
    randomise(model)
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has text tensors")
    x = [
        keras.ops.convert_to_tensor(np.asarray(["the", "layer"])),
        keras.ops.ones((2, 5, 3)),
    ]
    result = kerasbn.fold_batch_norm(model)
    assert [entry["layer"] for entry in result.folded] == ["a", "b"]
    (expected,), (received,) = outputs(model, x), outputs(result.model, x)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_a_mask_finds_its_way_without_batch_norm():
    words = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 3, mask_zero=True)(words)
    x = L.BatchNormalization()(L.Dense(4)(x))
    model = randomise(keras.Model(words, L.GRU(2)(x)))
    padded = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1]])

    result = kerasbn.fold_batch_norm(model)

    assert len(result.folded) == 1
    (expected,), (received,) = outputs(model, padded), outputs(result.model, padded)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_nothing_to_fold():
    model = keras.Sequential([keras.Input((3,)), L.Dense(4)])
    result = kerasbn.fold_batch_norm(randomise(model))
    assert (result.batch_norms, result.folded, result.kept) == (0, [], [])
    assert str(result).startswith("0 of 0 BN layers folded")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("model.keras", "Received: an object of type str"),
        (keras.Sequential([L.Dense(2)]), "not built"),
        (type("Net", (keras.Model,), {})(), "not built"),
    ],
)
def test_models_that_cannot_be_folded(model, message):
    with pytest.raises((TypeError, ValueError), match=message):
        kerasbn.fold_batch_norm(model)


def test_layer_shared_between_nested_models():
    shared = L.BatchNormalization(name="shared")
    models = []
    for name in ("one", "two"):
        inputs = keras.Input((3,))
        models.append(keras.Model(inputs, shared(L.Dense(4)(inputs)), name=name))
    inputs = keras.Input((3,))
    model = randomise(keras.Model(inputs, [m(inputs) for m in models]))
    result = kerasbn.fold_batch_norm(model)
    assert result.batch_norms == len(result.folded) == 1
    one, other = (models[n].layers[1].name for n in (0, 1))
    assert result.folded[0]["into"] == [f"one/{one}", f"two/{other}"]
    for before, after in zip(
        *(outputs(network, sample(model)) for network in (model, result.model)),
        strict=True,
    ):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
