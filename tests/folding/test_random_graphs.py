"""Random small networks of every layer that folding knows: the fold changes nothing.

A network is a list of steps, each a layer and the tensors that it reads, so that a
failure shrinks to the few steps that matter; its message lists them.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import kerasbn
from kerasbn.folding.proof.float64 import float64_arithmetic

from .models import L, outputs, randomise, sample

ops = keras.ops

# Name -> (rank of the tensor that it reads, with the batch; 0 for any, what it makes).
ONE = {
    "BN": (0, lambda x: L.BatchNormalization()(x)),
    "BN without gamma": (0, lambda x: L.BatchNormalization(scale=False)(x)),
    "BN without beta": (0, lambda x: L.BatchNormalization(center=False)(x)),
    "BN of places": (4, lambda x: kerasbn.BatchNormalization(axis=[1, 2])(x)),
    "BN of rows": (4, lambda x: kerasbn.BatchNormalization(axis=[1, 3])(x)),
    "BN of axis 1": (0, lambda x: L.BatchNormalization(axis=1)(x)),
    "Dense": (0, lambda x: L.Dense(3)(x)),
    "Dense relu": (0, lambda x: L.Dense(4, activation="relu", use_bias=False)(x)),
    "EinsumDense": (3, lambda x: L.EinsumDense("abc,cd->abd", (x.shape[1], 3))(x)),
    "EinsumDense 2": (
        3,
        lambda x: L.EinsumDense(
            "abc,bcd->abd", (x.shape[1], 3), bias_axes="bd"
        )(x),
    ),
    "Conv1D": (3, lambda x: L.Conv1D(3, 2, padding="causal")(x)),
    "Conv2D": (4, lambda x: L.Conv2D(4, 2, padding="valid")(x)),
    "Conv2D same": (4, lambda x: L.Conv2D(3, 3, padding="same", use_bias=False)(x)),
    "Conv2D 1x1": (4, lambda x: L.Conv2D(2, 1, strides=2, padding="same")(x)),
    "Conv2DTranspose": (4, lambda x: L.Conv2DTranspose(3, 2)(x)),
    "DepthwiseConv2D": (4, lambda x: L.DepthwiseConv2D(2, depth_multiplier=2)(x)),
    "SeparableConv2D": (4, lambda x: L.SeparableConv2D(3, 2)(x)),
    "TimeDistributed": (3, lambda x: L.TimeDistributed(L.Dense(3))(x)),
    "ReLU": (0, lambda x: L.ReLU()(x)),
    "Dropout": (0, lambda x: L.Dropout(0.5)(x)),
    "Flatten": (0, lambda x: L.Flatten()(x)),
    "Reshape": (4, lambda x: L.Reshape((-1, x.shape[-1]))(x)),
    "Reshape 2": (3, lambda x: L.Reshape((x.shape[2], x.shape[1]))(x)),
    "Permute": (4, lambda x: L.Permute((3, 1, 2))(x)),
    "transpose": (3, lambda x: ops.transpose(x, (0, 2, 1))),
    "expand_dims": (3, lambda x: ops.expand_dims(x, 2)),
    "AveragePooling2D": (4, lambda x: L.AveragePooling2D(2, padding="same")(x)),
    "MaxPooling2D": (4, lambda x: L.MaxPooling2D(2, padding="same")(x)),
    "subsampling": (4, lambda x: L.MaxPooling2D(1, strides=2)(x)),
    "ZeroPadding2D": (4, lambda x: L.ZeroPadding2D(1)(x)),
    "Cropping2D": (4, lambda x: L.Cropping2D(((1, 0), (0, 1)))(x)),
    "UpSampling2D": (4, lambda x: L.UpSampling2D(2)(x)),
    "GlobalAveragePooling2D": (4, lambda x: L.GlobalAveragePooling2D()(x)),
    "GlobalMaxPooling2D": (4, lambda x: L.GlobalMaxPooling2D(keepdims=True)(x)),
    "mean": (3, lambda x: ops.mean(x, axis=1)),
    "Rescaling": (0, lambda x: L.Rescaling(0.5, offset=2.0)(x)),
    "+ constant": (0, lambda x: x + np.arange(x.shape[-1], dtype="float64")),
    "+ places": (0, lambda x: x + by_place(x)),
    "places -": (0, lambda x: ops.subtract(by_place(x), x)),
    "Add places": (0, lambda x: L.Add()([x, by_place(x)[None]])),
    "* places": (0, lambda x: x * by_place(x)),
    "constant -": (0, lambda x: 1.5 - x),
    "* constant": (0, lambda x: x * 2.0),
    "/ constant": (0, lambda x: x / 4.0),
}  # fmt: skip
# Layers that a program calls again and again, by the rank of what they read.
SHARED = {
    3: lambda: L.Conv1D(3, 2, padding="same"),
    4: lambda: L.Conv2D(3, 2, padding="same"),
}
TWO = {
    "Add": lambda x, y: L.Add()([x, y]),
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "Average": lambda x, y: L.Average()([x, y]),
    "Maximum": lambda x, y: L.Maximum()([x, y]),
    "Concatenate": lambda x, y: L.Concatenate()([x, y]),
    "Concatenate 1": lambda x, y: ops.concatenate([x, y], axis=1),
}
_MAX_SIZE = 2000


def by_place(x):
    """A constant that differs everywhere, of the shape of one sample."""
    shape = x.shape[1:]
    return np.sin(np.arange(1.0, 1 + np.prod(shape))).reshape(shape)


steps = st.lists(
    st.tuples(
        # BN and what absorbs it are drawn more often than what lies between.
        st.one_of(
            st.sampled_from(sorted(name for name in ONE if name.startswith("BN"))),
            st.sampled_from(sorted(ONE)),
            st.just("shared"),
            st.sampled_from(sorted(TWO)),
        ),
        st.integers(0, 7),
        st.integers(0, 7),
    ),
    min_size=2,
    max_size=9,
)
shapes = st.sampled_from([(5,), (4, 3), (5, 4, 2)])


def build(shape, program, nested):
    """The network of a program; steps that do not fit what is there are left out."""
    tensors = [keras.Input(shape)]
    read = set()
    shared = {}
    for name, first, second in program:
        # The last tensors are the likeliest, so that chains get long.
        x, y = (tensors[-1 - place % min(len(tensors), 3)] for place in (first, second))
        if name == "shared":
            key = (len(x.shape), x.shape[-1])
            if key not in shared:
                shared[key] = SHARED.get(len(x.shape), lambda: L.Dense(3))()
            made, taken = apply(shared[key], x), [x]
        elif name in ONE:
            rank, make = ONE[name]
            made = apply(make, x) if rank in (0, len(x.shape)) else None
            taken = [x]
        else:
            made, taken = apply(TWO[name], x, y), [x, y]
        if made is None or np.prod(made.shape[1:]) > _MAX_SIZE or 0 in made.shape:
            continue
        note(
            f"{made.name}: {name} of {[tensor.name for tensor in taken]}, {made.shape}"
        )
        read.update(id(tensor) for tensor in taken)
        tensors.append(made)
    ends = [tensor for tensor in tensors[1:] if id(tensor) not in read]
    if not ends:
        return None
    model = keras.Model(tensors[0], ends)
    if not nested:
        return model
    model.name = "inner"
    inputs = [keras.Input(shape), keras.Input(shape)]
    return keras.Model(inputs, [model(array) for array in inputs])


def apply(make, *tensors):
    try:
        return make(*tensors)
    except (ValueError, ZeroDivisionError):  # It does not take these shapes.
        return None
    except AttributeError:  # Keras takes what is multiplied by a constant for sparse.
        return None


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    with float64_arithmetic():
        yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def random_graphs(examples):
    """Give a test so many random networks, always the same."""
    arguments = given(
        shape=shapes,
        program=steps,
        nested=st.booleans(),
        lively=st.booleans(),
        seed=st.integers(0, 9),
    )
    options = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: options(arguments(test))


@random_graphs(25)
def test_folding_changes_nothing(shape, program, nested, lively, seed):
    check_folding(shape, program, nested, lively, seed)


@pytest.mark.long
@random_graphs(80)
def test_folding_changes_nothing_in_many(shape, program, nested, lively, seed):
    check_folding(shape, program, nested, lively, seed)


def check_folding(shape, program, nested, lively, seed):
    """Fold a random network, and compare the outputs in float64."""
    keras.backend.clear_session()
    model = build(shape, program, nested)
    if model is None:
        return
    randomise(model, seed)
    if lively:  # No gamma is 0 or negative, so that more can go.
        for layer in model._flatten_layers():
            if getattr(layer, "gamma", None) is not None:
                layer.gamma.assign(np.abs(np.asarray(layer.gamma)) + 0.1)

    result = kerasbn.fold_batch_norm(model, verify=False)

    note(str(result.folded))
    x = sample(model)
    for expected, received in zip(
        outputs(model, x), outputs(result.model, x), strict=True
    ):
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-9 * scale)
