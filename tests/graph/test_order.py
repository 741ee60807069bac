"""The order of layers is Keras' own, also after layers were taken out."""

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from kerasbn.graph import read_graph, rewrite
from kerasbn.graph.ordering import keras_order

from .models import KERAS_3, config_of, live_order, rebuilt, saved_config

APPLICATIONS = (
    "MobileNetV3Small",
    "DenseNet121",
    pytest.param("NASNetMobile", marks=pytest.mark.long),
)


def our_order(config):
    return {graph.path: keras_order(graph) for graph in read_graph(config).graphs()}


def batch_norms(config):
    return [layer.path for layer in read_graph(config).walk() if layer.is_batch_norm]


def assert_keras_order(config):
    """As they stand, and after a rewrite that takes out every BN."""
    assert our_order(config) == live_order(rebuilt(config))
    without = rewrite(config, batch_norms(config), {})
    assert batch_norms(without) == []
    listed = {g.path: list(g.layers) for g in read_graph(without).graphs()}
    assert listed == live_order(rebuilt(without))


@pytest.mark.parametrize("version", KERAS_3)
@pytest.mark.parametrize(
    "stem", ["functional", "nested", "dict_outputs", "sequential", "training_flag"]
)
def test_fixtures(version, stem):
    assert_keras_order(saved_config(f"{version}/{stem}.keras"))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications(name):
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(32, 32, 3), include_top=False)
    assert_keras_order(config_of(model))


def test_inputs_that_no_output_needs():
    used, unused, other = (layers.Input((3,), name=name) for name in ("u", "n", "o"))
    x = layers.Add(name="add")([layers.BatchNormalization(name="bn")(used), other])
    assert_keras_order(config_of(keras.Model([unused, used, other], x)))


def combine(tensors, kind, shared, number):
    """Apply a layer to tensors of three channels each."""
    if kind == "add":
        return layers.Add(name=f"add{number}")(tensors)
    if kind == "operator":
        return tensors[0] + tensors[-1]
    if kind == "shared":
        return shared[number % len(shared)](tensors[0])
    if kind == "bn":
        return layers.BatchNormalization(name=f"bn{number}")(tensors[0])
    return layers.Dense(3, name=f"dense{number}")(tensors[-1])


def inner_model():
    inputs = layers.Input((3,))
    x = layers.BatchNormalization(name="bn")(layers.Dense(3, name="dense")(inputs))
    return keras.Model(inputs, x, name="inner")


KINDS = ("add", "operator", "shared", "bn", "dense")
# Numbers choose what each step takes, modulo the tensors that there are by then.
NUMBERS = st.integers(0, 20)
STEPS = st.tuples(st.sampled_from(KINDS), st.lists(NUMBERS, min_size=2, max_size=3))


def random_model(count, steps, outputs):
    """A Functional model with branches, shared layers and several outputs."""
    inputs = [layers.Input((3,), name=f"in{n}") for n in range(count)]
    shared = [
        layers.Dense(3, name="shared"),
        layers.BatchNormalization(name="shared_bn"),
        inner_model(),
    ]
    tensors = list(inputs)
    for number, (kind, taken) in enumerate(steps):
        chosen = [tensors[place % len(tensors)] for place in taken]
        tensors.append(combine(chosen, kind, shared, number))
    made = tensors[count:]
    return keras.Model(inputs, [made[place % len(made)] for place in outputs])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(1, 3),
    st.lists(STEPS, min_size=1, max_size=10),
    st.lists(NUMBERS, min_size=1, max_size=3),
)
def test_random_models(count, steps, outputs):
    assert_keras_order(config_of(random_model(count, steps, outputs)))


def test_shared_layer_at_two_depths():
    """All its calls count as deep as the deepest, whichever output comes first."""
    shared, inputs = layers.Dense(3, name="shared"), layers.Input((3,))
    far = shared(inputs)
    for number in range(3):
        far = layers.Dense(3, name=f"far{number}")(far)
    near = shared(layers.Dense(3, name="near")(inputs))
    assert_keras_order(config_of(keras.Model(inputs, [near, far])))
    assert_keras_order(config_of(keras.Model(inputs, [far, near])))
