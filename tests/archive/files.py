"""The fixture files, and live Keras models to compare them with."""

import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

SAVED_MODELS = Path(__file__).parents[1] / "fixtures" / "saved_models"
KERAS_3 = ("keras-3.4", "keras-3.8", "keras-3.12", "keras-3.15")
VERSIONS = (*KERAS_3, "tf_keras-2")
STEMS = (
    "functional",
    "nested",
    "dict_outputs",
    "sequential",
    "training_flag",
    "bfloat16",
    "mixed_float16",
)


def live_layers(model, parent=""):
    """(path, layer) of every layer at any depth of a live Keras model."""
    for layer in model.layers:
        path = f"{parent}/{layer.name}" if parent else layer.name
        yield path, layer
        if isinstance(layer, keras.Model):
            yield from live_layers(layer, path)


def live_variables(model):
    """Layer path -> arrays, of each layer that holds variables of its own."""
    return {
        path: [np.asarray(variable) for variable in layer.variables]
        for path, layer in live_layers(model)
        if layer.variables and not isinstance(layer, keras.Model)
    }


def load(path, **options):
    """Load with Keras; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return keras.models.load_model(path, **options)


def predict(model, inputs):
    """The outputs as a flat list of arrays."""
    outputs = model.predict(inputs, verbose=0)
    return [np.asarray(output) for output in keras.tree.flatten(outputs)]


def same_array(left, right):
    """Equal in shape, dtype and every bit."""
    left, right = np.asarray(left), np.asarray(right)
    return (
        left.shape == right.shape
        and left.dtype == right.dtype
        and left.tobytes() == right.tobytes()
    )


def members(path):
    """Name -> bytes of a zip archive's members."""
    with zipfile.ZipFile(path) as container:
        return {name: container.read(name) for name in container.namelist()}


def write_members(path, content, compression=zipfile.ZIP_STORED):
    """Write a zip archive."""
    with zipfile.ZipFile(path, "w", compression) as container:
        for name, data in content.items():
            container.writestr(name, data)
    return path
