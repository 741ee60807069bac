"""The tables of Keras' own names against the installed Keras."""

import importlib
import pkgutil

import keras
from keras.src.ops.operation import Operation

from kerasbn.archive.keras_names import LAYERS, OPERATORS

# No layers that a model's configuration lists.
_BASES = {"Layer", "InputSpec", "Wrapper"}


def test_every_layer_is_known():
    exported = {
        name
        for name, value in vars(keras.layers).items()
        if isinstance(value, type) and name not in _BASES
    }
    assert exported <= LAYERS


def test_every_operator_is_known_with_its_module():
    package = importlib.import_module("keras.src.ops")
    found = {}
    for info in pkgutil.iter_modules(package.__path__, "keras.src.ops."):
        if info.name.endswith("_test"):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            own = isinstance(value, type) and value.__module__ == info.name
            if own and issubclass(value, Operation) and value is not Operation:
                found[name] = info.name
    del found["Function"]  # The graph itself.
    assert len(found) > 200
    assert found.items() <= OPERATORS.items()
