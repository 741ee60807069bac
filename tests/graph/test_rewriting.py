"""Taking layers out of a configuration, and changing some, computes what it should."""

from copy import deepcopy

import keras
import numpy as np
import pytest
from keras import layers

from kerasbn.graph import read_graph, rewrite

from .models import KERAS_3, config_of, rebuilt, saved_config


def identity_bn(name):
    """BN that changes nothing, so that taking it out changes nothing either."""
    return layers.BatchNormalization(name=name, epsilon=1e-12)


def names(config):
    return {layer.path for layer in read_graph(config).walk()}


def assert_same_without(model, removed):
    """The model without its identity BN computes the same from the same weights."""
    config = config_of(model)
    written = rewrite(config, removed, {})
    assert names(config) - names(written) == set(removed)
    again = rebuilt(written)
    kept = {v.path.rsplit("/", 2)[-2]: [] for v in model.variables}
    for variable in model.variables:
        kept[variable.path.rsplit("/", 2)[-2]].append(variable)
    for variable in again.variables:
        variable.assign(kept[variable.path.rsplit("/", 2)[-2]].pop(0))
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(2, *tensor.shape[1:])) for tensor in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    expected, found = model(inputs), again(inputs)
    keras.tree.assert_same_structure(expected, found)
    for left, right in zip(
        keras.tree.flatten(expected), keras.tree.flatten(found), strict=True
    ):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("version", KERAS_3)
@pytest.mark.parametrize("stem", ["functional", "nested", "dict_outputs", "sequential"])
def test_the_argument_stays_as_it_is(version, stem):
    config = saved_config(f"{version}/{stem}.keras")
    before = deepcopy(config)
    removed = [layer.path for layer in read_graph(config).walk() if layer.is_batch_norm]
    changed = {"dense": {"class_name": "Other", "config": {"name": "dense"}}}
    assert rewrite(config, removed, changed) != before
    assert config == before


def test_chain_of_removed_layers():
    inputs = layers.Input((3,), name="x")
    x = layers.Dense(3, name="a")(inputs)
    for number in range(4):
        x = identity_bn(f"bn{number}")(x)
    model = keras.Model(inputs, layers.Dense(2, name="b")(x))
    assert_same_without(model, [f"bn{number}" for number in range(4)])
    assert_same_without(model, ["bn0", "bn2"])


def test_all_outputs_removed():
    inputs = layers.Input((3,), name="x")
    x = layers.Dense(3, name="a")(inputs)
    y = identity_bn("bn1")(x)
    z = identity_bn("bn2")(y)
    assert_same_without(keras.Model(inputs, z), ["bn1", "bn2"])
    assert_same_without(keras.Model(inputs, [z, y, x]), ["bn1", "bn2"])
    assert_same_without(keras.Model(inputs, {"z": z, "y": [y, x]}), ["bn1", "bn2"])
    assert_same_without(keras.Model(inputs, [z, y, x]), ["bn2"])


def test_removed_layer_right_behind_the_input():
    inputs = layers.Input((3,), name="x")
    x = identity_bn("bn")(inputs)
    model = keras.Model(inputs, layers.Add(name="add")([x, layers.Dense(3)(x), inputs]))
    assert_same_without(model, ["bn"])


def test_shared_removed_layer():
    left, right = layers.Input((3,), name="left"), layers.Input((3,), name="right")
    shared = identity_bn("bn")
    x = layers.Subtract(name="sub")([shared(left), shared(shared(right))])
    assert_same_without(keras.Model([left, right], x), ["bn"])


def nested(kind):
    inner_in = layers.Input((3,))
    dense, bn = layers.Dense(3, name="dense"), identity_bn("bn")
    if kind == "sequential":
        return keras.Sequential([inner_in, dense, bn], name="inner")
    return keras.Model(inner_in, bn(dense(inner_in)), name="inner")


@pytest.mark.parametrize("kind", ["functional", "sequential"])
@pytest.mark.parametrize("removed", [["inner/bn"], ["bn1", "bn2"], ["inner/bn", "bn2"]])
def test_nested_models_at_the_outputs(kind, removed):
    inner, inputs = nested(kind), layers.Input((3,), name="x")
    first = inner(inputs)
    second = inner(identity_bn("bn1")(first))
    third = identity_bn("bn2")(second)
    assert_same_without(keras.Model(inputs, [second, third, first]), removed)
    assert_same_without(keras.Model(inputs, {"b": third, "a": first}), removed)


def test_sequential():
    stack = [layers.Input((3,)), layers.Dense(3), identity_bn("bn"), layers.Dense(2)]
    assert_same_without(keras.Sequential(stack), ["bn"])
    assert_same_without(keras.Sequential(stack[:3]), ["bn"])


def test_changed_entry():
    """Another class in the place of BN, which takes neither mask nor flag."""
    inputs = layers.Input((3,), name="x")
    x = layers.BatchNormalization(name="bn")(inputs, training=False)
    config = config_of(keras.Model(inputs, x))
    identity = {
        "module": "keras.layers",
        "class_name": "Identity",
        "registered_name": None,
        "config": {"name": "bn"},
    }
    model = rebuilt(rewrite(config, [], {"bn": identity}))
    assert model.output_names == ["bn"]
    assert isinstance(model.get_layer("bn"), layers.Identity)
    np.testing.assert_array_equal(model(np.ones((1, 3))), np.ones((1, 3)))
