"""The groups of layers are those that Keras writes."""

import inspect
import json

import keras
from keras import layers

from kerasbn.archive import open_archive
from kerasbn.archive.numbering import layer_groups


def entry(cls):
    """A layer's entry, as Keras names the class."""
    module, name = keras.src.api_export.get_name_from_symbol(cls).rsplit(".", 1)
    return {"module": module, "class_name": name, "config": {"name": "it"}}


def test_every_layer_class_of_keras():
    classes = {cls for _, cls in inspect.getmembers(layers, inspect.isclass)}
    assert len(classes) > 100
    for cls in classes:
        model = {"class_name": "Sequential", "config": {"layers": [entry(cls)]}}
        own = keras.src.utils.naming.to_snake_case(cls.__name__)
        assert layer_groups(json.loads(json.dumps(model))) == {"it": f"layers/{own}"}


def test_operators_take_no_number(tmp_path):
    inputs = layers.Input((3,))
    x = layers.BatchNormalization(name="bn_a")(inputs + 1)
    x = layers.Add(name="add_a")([x, inputs + x])
    x = layers.Add(name="add_b")([keras.ops.relu(x), inputs])
    x = layers.ReLU(name="relu_a")(layers.BatchNormalization(name="bn_b")(x))
    keras.Model(inputs, x).save(tmp_path / "model.keras")
    with open_archive(tmp_path / "model.keras") as archive:
        groups = layer_groups(archive.config)
        assert set(groups.values()) == {f"layers/{g}" for g in archive.root["layers"]}
        for path in ("bn_a", "bn_b", "add_a", "add_b", "relu_a"):
            variables = archive.root[f"{groups[path]}/vars"]
            assert variables.attrs["name"] == path
