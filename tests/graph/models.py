"""Live models, their configurations, and what Keras says of them."""

import json
from copy import deepcopy
from pathlib import Path

import keras

from kerasbn.archive import open_archive
from kerasbn.graph import read_graph

SAVED_MODELS = Path(__file__).parents[1] / "fixtures" / "saved_models"
KERAS_3 = ("keras-3.4", "keras-3.8", "keras-3.12", "keras-3.15")
VERSIONS = (*KERAS_3, "tf_keras-2")


def saved_config(name):
    """The configuration that a fixture file holds."""
    with open_archive(SAVED_MODELS / name) as archive:
        return archive.config


def saved_graph(name):
    return read_graph(saved_config(name))


def config_of(model):
    """The configuration as a file would hold it."""
    config = keras.saving.serialize_keras_object(model)
    return json.loads(json.dumps({**config, "compile_config": None}))


def rebuilt(config):
    """The live model of a configuration, with new weights."""
    return keras.saving.deserialize_keras_object(deepcopy(config))  # It empties it.


def live_order(model, parent=""):
    """Path -> the names of the layers and operators of each model, as Keras lists."""
    # A Sequential model leaves its input layer out of `layers`.
    operations = getattr(model, "_functional", model)._operations
    found = {parent: [operation.name for operation in operations]}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= live_order(layer, f"{parent}/{layer.name}".lstrip("/"))
    return found
