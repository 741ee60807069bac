"""What maps pass on their way: each carrier both ways, and where it must not."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasbn
from kerasbn.folding.proof.float64 import float64_arithmetic

from .models import L, outputs, randomise, sample

ops = keras.ops


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    with float64_arithmetic():
        yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def batch_norm(axis=-1, increasing=False):
    layer = kerasbn.BatchNormalization(axis=axis, name="bn")
    layer.increasing = increasing
    return layer


def expect(model, layers, route):
    """Fold `model`: its only BN goes into `layers`, and the outputs are the same."""
    randomise(model)
    bn = model.get_layer("bn")
    if getattr(bn, "increasing", False):
        bn.gamma.assign(np.abs(np.asarray(bn.gamma)))
    result = kerasbn.fold_batch_norm(model, verify=False)
    (folded,) = result.folded or [result.kept]
    assert folded == {"layer": "bn", "into": layers, "route": route}
    x = sample(model)
    for expected, received in zip(
        outputs(model, x), outputs(result.model, x), strict=True
    ):
        np.testing.assert_allclose(received, expected, rtol=1e-10, atol=1e-10)


def conv(name="conv"):
    return L.Conv2D(4, 3, name=name)


def image(shape=(9, 8, 3)):
    return keras.Input(shape)


def rows(x):
    return (x.shape[1] * x.shape[2],)


def names(ways):
    """All of them; pooling with padding is where backends could differ."""
    mark = pytest.mark.every_backend
    differ = [name for name in ways if "pooling" in name or name == "upsampling"]
    return [pytest.param(n, marks=mark if n in differ else ()) for n in ways]


# Name -> what stands between the convolution and the BN behind it, or between the BN
# and the Dense behind that; the tensor is (7, 6, 4) backward and (9, 8, 3) forward.
BOTH_WAYS = {
    "nothing": lambda x: x,
    "dropout": lambda x: L.Dropout(0.5)(x),
    "spatial dropout": lambda x: L.SpatialDropout2D(0.5)(x),
    "noise": lambda x: L.GaussianNoise(1.0)(x),
    "identity": lambda x: L.Identity()(x),
    "linear activation": lambda x: L.Activation("linear")(x),
    "cropping": lambda x: L.Cropping2D(((1, 2), (0, 1)))(x),
    "upsampling": lambda x: L.UpSampling2D(2)(x),
    "average pooling": lambda x: L.AveragePooling2D(2)(x),
    "padded average pooling": lambda x: L.AveragePooling2D(3, 2, padding="same")(x),
    "subsampling": lambda x: L.MaxPooling2D(1, strides=2)(x),
    "global average": lambda x: L.GlobalAveragePooling2D()(x),
    "kept global average": lambda x: L.GlobalAveragePooling2D(keepdims=True)(x),
    "mean operator": lambda x: ops.mean(x, axis=1),
    "mean over both": lambda x: ops.mean(x, axis=(1, -2), keepdims=True),
    "expand and squeeze": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1),
    "expand at the end": lambda x: ops.squeeze(ops.expand_dims(x, (1, -2)), (1, 4)),
    "reshape": lambda x: L.Reshape((-1, x.shape[-1]))(x),
    "reshape operator": lambda x: ops.reshape(x, (-1, *rows(x), x.shape[-1])),
    "rescaling": lambda x: L.Rescaling(2.0, offset=-3.0)(x),
    "normalization": lambda x: L.Normalization(mean=1.5, variance=4.0)(x),
    "inverse": lambda x: L.Normalization(mean=1.5, variance=4.0, invert=True)(x),
    "plus": lambda x: x + 2,
    "plus an array": lambda x: x + np.arange(x.shape[-1]),
    "minus": lambda x: x - 2.5,
    "from": lambda x: 2.5 - x,
    "times": lambda x: 3 * x,
    "times an array": lambda x: x * np.arange(1.0, 1.0 + x.shape[-1]),
    "over": lambda x: x / 4,
    "negative": lambda x: -x,
    "there and back": lambda x: L.Permute((2, 3, 1))(L.Permute((3, 1, 2))(x)),
    "transpose": lambda x: ops.transpose(ops.transpose(x, (0, 2, 1, 3)), (0, 2, 1, 3)),
    "swapaxes": lambda x: ops.swapaxes(ops.swapaxes(x, 1, 3), -1, 1),
    "moveaxis": lambda x: ops.moveaxis(ops.moveaxis(x, -1, 1), 1, 3),
    "add to itself": lambda x: L.Add()([x, x, x]),
    "plus itself": lambda x: x + x,
    "average with itself": lambda x: L.Average()([x, x]),
}  # fmt: skip


@pytest.mark.parametrize("name", names(BOTH_WAYS))
def test_backward(name):
    inputs = image()
    x = BOTH_WAYS[name](conv()(inputs))
    expect(keras.Model(inputs, batch_norm()(x)), ["conv"], "backward")


@pytest.mark.parametrize("name", names(BOTH_WAYS))
def test_forward(name):
    inputs = image()
    x = BOTH_WAYS[name](batch_norm()(inputs))
    model = keras.Model(inputs, L.Dense(4, name="dense")(x))
    expect(model, ["dense"], "forward")


MAXIMA = {
    "max pooling": lambda x: L.MaxPooling2D(2)(x),
    "global maximum": lambda x: L.GlobalMaxPooling2D()(x),
    "maximum operator": lambda x: ops.max(x, axis=(1, 2)),
    "minimum of itself": lambda x: L.Minimum()([x, x]),
    "maximum of itself": lambda x: ops.maximum(x, x),
}


@pytest.mark.parametrize("name", names(MAXIMA))
@pytest.mark.parametrize("increasing", [True, False])
def test_a_maximum_carries_no_negative_scale(name, increasing):
    inputs = image()
    x = batch_norm(increasing=increasing)(MAXIMA[name](conv()(inputs)))
    model = keras.Model(inputs, x)
    if increasing:
        expect(model, ["conv"], "backward")
    else:
        assert "a scale of the BN is negative" in kept(model)


@pytest.mark.parametrize("name", names(MAXIMA))
def test_a_maximum_forward(name):
    inputs = image()
    x = MAXIMA[name](batch_norm(increasing=True)(inputs))
    expect(keras.Model(inputs, L.Dense(4, name="dense")(x)), ["dense"], "forward")


def kept(model):
    (found,) = kerasbn.fold_batch_norm(randomise(model), verify=False).kept
    return found["reason"]


# BN that keeps other axes than the channels.


@pytest.mark.parametrize("axis", [[1, 2], [1, 3], [1, 2, 3], 1, 2, 3])
def test_pixels_through_cropping_and_flattening(axis):
    inputs = image()
    x = L.Cropping2D(((1, 2), (0, 1)))(batch_norm(axis)(inputs))
    x = L.Dropout(0.1)(L.Permute((3, 1, 2))(x))
    model = keras.Model(inputs, L.Dense(5, name="dense")(L.Flatten()(x)))
    expect(model, ["dense"], "forward")


@pytest.mark.parametrize("axis", [[1, 2], 1, -1])
def test_dense_then_reshape_then_batch_norm(axis):
    inputs = keras.Input((7,))
    x = L.Reshape((3, 4))(L.Dense(12, name="dense")(inputs))
    expect(keras.Model(inputs, batch_norm(axis)(x)), ["dense"], "backward")


def test_a_single_channel_that_is_distinguished_nowhere():
    inputs = keras.Input((4, 4, 1))
    x = L.Dense(3, name="dense")(L.Flatten()(batch_norm()(inputs)))
    expect(keras.Model(inputs, x), ["dense"], "forward")


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            lambda x: L.AveragePooling2D(2)(x),
            "mixes places that the BN treats differently",
        ),
        (
            lambda x: L.GlobalAveragePooling2D()(x),
            "mixes places that the BN treats differently",
        ),
        (lambda x: L.UpSampling2D(2)(x), "mixes places that the BN treats differently"),
        (
            lambda x: L.Conv2D(4, 1, name="c")(x),
            "axis=[1, 2] is not the channel axis of `c`",
        ),
    ],
)
def test_layers_that_mix_pixels(layer, reason):
    inputs = image()
    x = L.Dense(4)(layer(batch_norm([1, 2])(inputs)))
    assert reason in kept(keras.Model(inputs, x))


def test_zero_padding_carries_a_scale():
    inputs = image()
    x = L.ZeroPadding2D(1)(conv()(inputs))
    bn = L.BatchNormalization(name="bn", center=False)
    model = randomise(keras.Model(inputs, bn(x)))
    bn.moving_mean.assign(np.zeros(4))
    result = kerasbn.fold_batch_norm(model)
    assert [entry["into"] for entry in result.folded] == [["conv"]]


@pytest.mark.every_backend
def test_bilinear_upsampling_which_tensorflow_computes_in_float32():
    """The proof knows that no more than float32 can be had there."""
    inputs = image()
    x = L.UpSampling2D((2, 3), interpolation="bilinear")(conv()(inputs))
    model = randomise(keras.Model(inputs, batch_norm()(x)))
    result = kerasbn.fold_batch_norm(model)
    assert result.verified
    assert [entry["into"] for entry in result.folded] == [["conv"]]
    x = sample(model)
    (expected,), (received,) = outputs(model, x), outputs(result.model, x)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


# Several branches.


def test_concatenation():
    inputs = image()
    x = L.Concatenate()([conv("a")(inputs), L.Conv2D(2, 3, name="b")(inputs)])
    expect(keras.Model(inputs, batch_norm()(x)), ["a", "b"], "backward")


def test_concatenation_along_another_axis():
    inputs = image()
    x = ops.concatenate([conv("a")(inputs), conv("b")(inputs)], axis=1)
    expect(keras.Model(inputs, batch_norm()(x)), ["a", "b"], "backward")


def test_concatenation_forward_with_what_has_no_map():
    inputs, others = image(), image((9, 8, 2))
    x = L.Concatenate()([others, batch_norm()(inputs)])
    expect(keras.Model([inputs, others], conv()(x)), ["conv"], "forward")


@pytest.mark.parametrize(
    "join",
    [
        lambda pair: L.Add()(pair),
        lambda pair: L.Subtract()(pair),
        lambda pair: L.Average()(pair),
        lambda pair: pair[0] + pair[1],
        lambda pair: pair[0] - pair[1],
    ],
)
def test_two_branches(join):
    inputs = image()
    x = join([conv("a")(inputs), conv("b")(inputs)])
    expect(keras.Model(inputs, batch_norm()(x)), ["a", "b"], "backward")


def test_branches_of_different_size():
    """A branch of size 1 is stretched, so a map by channel may pass, no other."""
    inputs = image()
    wide = conv("a")(inputs)
    narrow = L.GlobalAveragePooling2D(keepdims=True)(conv("b")(inputs))
    expect(keras.Model(inputs, batch_norm()(wide + narrow)), ["a", "b"], "backward")
    model = keras.Model(inputs, batch_norm([2, 3])(wide + narrow))
    assert "stretches an input" in kept(model)


def test_a_branch_that_cannot_take_it():
    inputs = image()
    x = L.Concatenate()([conv("a")(inputs), L.ReLU(name="relu")(conv("b")(inputs))])
    assert "reads ReLU `relu`" in kept(keras.Model(inputs, batch_norm()(x)))


def test_several_readers_forward():
    inputs = image()
    x = batch_norm()(inputs)
    heads = [conv("a")(x), L.Dense(2, name="b")(L.Flatten()(x))]
    expect(keras.Model(inputs, heads), ["a", "b"], "forward")


def test_sharing_a_tensor_with_its_negative():
    inputs = image()
    x = conv()(inputs)
    assert "subtracts a tensor from itself" in kept(
        keras.Model(inputs, batch_norm()(L.Subtract()([x, x])))
    )


# Wrapped layers.


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (L.Dense, {"units": 4}),
        (L.Dense, {"units": 4, "use_bias": False}),
        (L.Conv1D, {"filters": 4, "kernel_size": 2}),
    ],
)
def test_time_distributed(cls, arguments):
    def wrapped():
        return L.TimeDistributed(cls(**arguments), name="td")

    inputs = keras.Input((5, 6, 3))
    expect(keras.Model(inputs, batch_norm()(wrapped()(inputs))), ["td"], "backward")
    expect(keras.Model(inputs, wrapped()(batch_norm()(inputs))), ["td"], "forward")


@pytest.mark.every_backend
@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow's CPU kernels take channels last only",
)
@pytest.mark.parametrize(
    "between",
    [
        lambda x: L.Dropout(0.5)(x),
        lambda x: L.AveragePooling2D(2, data_format="channels_first")(x),
        lambda x: L.GlobalAveragePooling2D(data_format="channels_first")(x),
        lambda x: L.GlobalAveragePooling2D(data_format="channels_first", keepdims=True)(
            x
        ),
        lambda x: L.Cropping2D(1, data_format="channels_first")(x),
        lambda x: L.UpSampling2D(2, data_format="channels_first")(x),
    ],
)
def test_channels_first(between):
    inputs = image((3, 9, 8))
    x = between(L.Conv2D(4, 3, data_format="channels_first", name="conv")(inputs))
    expect(keras.Model(inputs, batch_norm(1)(x)), ["conv"], "backward")


@pytest.mark.every_backend
@pytest.mark.parametrize("axis", [1, [2, 3], [1, 2, 3]])
def test_flattening_channels_first(axis):
    inputs = image((3, 9, 8))
    x = L.Flatten(data_format="channels_first")(batch_norm(axis)(inputs))
    model = keras.Model(inputs, L.Dense(5, name="dense")(x))
    expect(model, ["dense"], "forward")
