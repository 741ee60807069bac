"""What stays, and why: each reason once, and the model still computes the same."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest

import kerasbn

from .models import L, outputs, randomise, sample


def image():
    return keras.Input((8, 8, 3))


def model_of(*stack):
    return keras.Sequential([image(), *stack])


def expect_kept(model, reason, folded=0):
    """Fold `model`: the reason is given, and nothing is wrong, verified or not."""
    randomise(model)
    result = kerasbn.fold_batch_norm(model)
    assert [reason in kept["reason"] for kept in result.kept] == [True], result.kept
    assert len(result.folded) == folded
    x = sample(model)
    unverified = kerasbn.fold_batch_norm(model, verify=False)
    for one in (result, unverified):
        for expected, received in zip(
            outputs(model, x), outputs(one.model, x), strict=True
        ):
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
    return result


# The wrong folds that public tools make.


def test_max_pooling_between():
    model = model_of(
        L.Conv2D(4, 3), L.MaxPooling2D(name="pool"), L.BatchNormalization()
    )
    expect_kept(model, "`pool`, which takes a maximum, and a scale of the BN is neg")


def test_relu_layer_between():
    model = model_of(L.Conv2D(4, 3), L.ReLU(name="relu"), L.BatchNormalization())
    expect_kept(model, "reads ReLU `relu`")


def test_zero_padding_between():
    model = model_of(L.Conv2D(4, 3), L.ZeroPadding2D(name="p"), L.BatchNormalization())
    expect_kept(model, "`p`, which pads with zeros, which the BN shifts")


@pytest.mark.parametrize("activation", ["relu", "softmax", keras.ops.tanh])
def test_activation_of_the_layer(activation):
    model = model_of(L.Conv2D(4, 3, name="c", activation=activation))
    model.add(L.BatchNormalization())
    expect_kept(model, "`c` has the activation")


def test_shared_layer():
    inputs = image()
    shared = L.Conv2D(3, 3, padding="same", name="c")
    x = L.BatchNormalization()(shared(inputs))
    model = keras.Model(inputs, shared(x))
    expect_kept(model, "`c` is called 2 times")


def test_training_true():
    inputs = image()
    x = L.BatchNormalization()(L.Conv2D(4, 3)(inputs), training=True)
    model = randomise(keras.Model(inputs, x))
    result = kerasbn.fold_batch_norm(model)
    assert "training=True" in result.kept[0]["reason"]


def test_training_true_around_a_nested_model():
    inner_in = image()
    inner = keras.Model(
        inner_in,
        L.BatchNormalization(name="bn")(L.Conv2D(4, 3)(inner_in)),
        name="inner",
    )
    inputs = image()
    model = randomise(keras.Model(inputs, inner(inputs, training=True)))
    (kept,) = kerasbn.fold_batch_norm(model).kept
    assert kept["layer"] == "inner/bn"
    assert "training=True" in kept["reason"]


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantised_layer():
    model = model_of(L.Flatten(), L.Dense(4, name="d"), L.BatchNormalization())
    randomise(model)
    model.quantize("int8")
    expect_kept_as_is(model, "`d` has the dtype policy")


def test_lora():
    model = model_of(L.Flatten(), L.Dense(4, name="d"), L.BatchNormalization())
    randomise(model)
    model.get_layer("d").enable_lora(2)
    expect_kept_as_is(model, "`d` has LoRA weights")


def expect_kept_as_is(model, reason):
    result = kerasbn.fold_batch_norm(model, verify=False)
    assert reason in result.kept[0]["reason"]
    x = sample(model)
    np.testing.assert_allclose(
        outputs(result.model, x)[0], outputs(model, x)[0], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("which", ["kernel", "bias"])
def test_constraint(which):
    constraint = {f"{which}_constraint": keras.constraints.NonNeg()}
    model = model_of(L.Conv2D(4, 3, name="c", **constraint), L.BatchNormalization())
    expect_kept(model, f"`c` has a {which}_constraint")


# The other conditions.


def test_axis_without_weights_of_its_own():
    model = model_of(L.Conv2D(4, 3, name="c"), L.BatchNormalization(axis=1))
    expect_kept(model, "axis=1 is not the channel axis of `c`")


def test_every_pixel_on_its_own_after_a_convolution():
    model = model_of(L.Conv2D(4, 3), kerasbn.BatchNormalization(axis=[1, 2, 3]))
    expect_kept(model, "axis=[1, 2, 3]")


def test_another_reader():
    inputs = image()
    x = L.Conv2D(4, 3, name="c")(inputs)
    model = keras.Model(
        inputs, L.Add(name="sum")([x, L.BatchNormalization(name="b")(x)])
    )
    expect_kept(model, "`c` is read 2 times, by `b`, `sum`")


def test_output_of_the_model_too():
    inputs = image()
    x = L.Conv2D(4, 3, name="c")(inputs)
    model = keras.Model(inputs, [x, L.BatchNormalization()(x)])
    expect_kept(model, "`c` is also an output of the model")


def test_input_of_the_model():
    model = model_of(L.BatchNormalization(), L.ReLU(), L.Conv2D(4, 3))
    expect_kept(model, "reads an input of the model")


def test_operator():
    inputs = image()
    x = keras.ops.exp(L.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, L.BatchNormalization()(x))
    expect_kept(model, "reads the operator Exp `exp")


def test_padding_of_the_layer_behind():
    model = model_of(L.BatchNormalization(), L.Conv2D(4, 3, padding="same", name="c"))
    expect_kept(model, "read by Conv2D `c`, which pads with zeros")


def test_a_transposed_convolution_behind():
    model = model_of(L.BatchNormalization(), L.Conv2DTranspose(4, 3, name="c"))
    expect_kept(
        model, "`c`, which adds up a different number of inputs at different places"
    )


def test_a_layer_behind_that_others_feed_too():
    inputs, others = image(), image()
    dense = L.Dense(4, name="d")
    x = L.Concatenate()([dense(L.BatchNormalization()(inputs)), dense(others)])
    expect_kept(keras.Model([inputs, others], x), "`d` is called 2 times")


def test_two_maps_for_a_layer_that_is_called_twice():
    inputs, others = image(), image()
    dense = L.Dense(4, name="d")
    x = [dense(L.BatchNormalization()(tensors)) for tensors in (inputs, others)]
    model = randomise(keras.Model([inputs, others], L.Concatenate()(x)))
    kept = kerasbn.fold_batch_norm(model).kept
    assert ["`d` is called 2 times" in finding["reason"] for finding in kept] == [
        True,
        True,
    ]


def test_an_output_behind():
    inputs = image()
    x = L.BatchNormalization()(inputs)
    model = keras.Model(inputs, [x, L.Conv2D(4, 3)(x)])
    expect_kept(model, "is an output of the model")


def test_dropout_that_is_always_on():
    inputs = image()
    x = L.Dropout(0.5, name="drop")(L.Conv2D(4, 3)(inputs), training=True)
    model = randomise(keras.Model(inputs, L.BatchNormalization()(x)))
    (kept,) = kerasbn.fold_batch_norm(model).kept
    assert "`drop`, which is called with training=True" in kept["reason"]


def test_an_addition_that_is_scaled_on_one_side():
    inputs = image()
    x = L.Add(name="sum")([L.BatchNormalization()(inputs), inputs])
    model = keras.Model(inputs, L.Conv2D(4, 3)(x))
    expect_kept(model, "`sum`, which adds tensors that the BN does not scale alike")


def test_a_product_of_tensors():
    inputs = image()
    x = L.Conv2D(4, 3)(inputs) * L.Conv2D(4, 3)(inputs)
    model = keras.Model(inputs, L.BatchNormalization()(x))
    expect_kept(model, "which multiplies or divides two tensors")


def test_dtypes_that_differ():
    model = model_of(
        L.Conv2D(4, 3, name="c", dtype="mixed_float16"),
        L.BatchNormalization(dtype="float32"),
    )
    randomise(model)
    (kept,) = kerasbn.fold_batch_norm(model, verify=False).kept
    assert "computes in float32, but `c` in mixed_float16" in kept["reason"]


def test_statistics_that_are_no_numbers():
    model = randomise(model_of(L.Conv2D(4, 3), L.BatchNormalization()))
    model.layers[-1].moving_variance.assign([1, 2, 3, np.nan])
    (kept,) = kerasbn.fold_batch_norm(model, verify=False).kept
    assert "not finite" in kept["reason"]


def test_regularizers_are_left_behind_and_named():
    model = model_of(
        L.Conv2D(4, 3, name="c", kernel_regularizer="l2"),
        L.BatchNormalization(name="b", gamma_regularizer="l1"),
    )
    result = kerasbn.fold_batch_norm(randomise(model))
    assert result.notes == [
        "regularizers dropped: c.kernel_regularizer, b.gamma_regularizer"
    ]
    assert result.model.get_layer("c").kernel_regularizer is None
    assert not result.model.losses


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def test_custom_layers_are_opaque():
    inputs = image()
    x = L.BatchNormalization()(L.Conv2D(4, 3)(inputs))
    x = L.BatchNormalization()(Doubled(name="doubled")(x))
    expect_kept(keras.Model(inputs, x), "the custom layer Doubled `doubled`", folded=1)


def edited(model, tmp_path, edit):
    """The file of a model whose configuration somebody has changed."""
    randomise(model).save(tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    config = json.loads(members["config.json"])
    edit({layer["config"]["name"]: layer for layer in config["config"]["layers"]})
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(tmp_path / "edited.keras", "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return tmp_path / "edited.keras"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda by_name: by_name["p"]["config"].pop("dims"), "arguments are invalid"),
        (lambda by_name: by_name["p"]["config"].update(dims=[9, 9, 9]), "are invalid"),
        (
            lambda by_name: by_name["r"]["config"].update(scale={"a": 1}),
            "an argument that is not a number",
        ),
        (
            lambda by_name: by_name["r"]["config"].update(offset=float("inf")),
            "would get weights that are not finite",
        ),
        (
            lambda by_name: by_name["f"]["build_config"].update(
                input_shape=[None, 10**6, 10**6, 3]
            ),
            "too large",
        ),
    ],
)
def test_odd_configurations_of_what_lies_between(edit, reason, tmp_path):
    """Nothing in a file makes the planning fail or take all memory."""
    model = model_of(
        L.BatchNormalization(name="bn"),
        L.Rescaling(2.0, offset=1.0, name="r"),
        L.Permute((1, 3, 2), name="p"),
        L.Flatten(name="f"),
        L.Dense(2, name="d"),
    )
    source = edited(model, tmp_path, edit)
    result = kerasbn.fold_file(source, tmp_path / "out.keras", dry_run=True)
    assert reason in result.kept[0]["reason"]
