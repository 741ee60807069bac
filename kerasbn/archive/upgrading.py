"""From the configuration of a legacy `.h5` file of Keras 3 to that of a `.keras` file.

A legacy file names a layer or an operator by its class alone, or by `package>Class`; a
`.keras` file says its module and its registered name, too. Arguments of a call are
written alike in both, positional ones included, so that an operator needs no more than
that to be loaded. (Keras itself looks for it among the layers, and fails.)
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from kerasbn.archive.keras_names import LAYERS, OPERATORS
from kerasbn.config_tree import is_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
# A legacy file has the class's own name, where a `.keras` file has the exported one.
_EXPORTED_AS = {"GroupedQueryAttention": "GroupQueryAttention"}


def as_keras_format(model: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a model's whole configuration in the form of a `.keras` file."""
    result = deepcopy(dict(model))
    _upgrade(result)
    return result


def _upgrade(entry: dict[str, Any]) -> None:
    name = str(entry.get("class_name"))
    package, _, class_name = name.rpartition(">")
    class_name = _EXPORTED_AS.get(class_name, class_name)
    entry["class_name"] = class_name
    if package:
        entry["module"], entry["registered_name"] = None, name
    elif class_name in _MODELS:
        named = class_name == "Functional"
        entry["module"] = _MODELS[class_name]
        entry["registered_name"] = class_name if named else None
    elif _is_operator(entry):
        entry["module"] = OPERATORS[class_name]
        entry["registered_name"] = class_name
    elif class_name in LAYERS:
        entry["module"], entry["registered_name"] = "keras.layers", None
    else:  # A class of somebody's own that was never registered.
        entry["module"], entry["registered_name"] = None, class_name
    if is_graph(entry):
        for inner in entry["config"]["layers"]:
            if isinstance(inner, dict):
                _upgrade(inner)


def _is_operator(entry: Mapping[str, Any]) -> bool:
    """Whether `Add` is `x + y` and not the layer, which has what every layer has."""
    config = entry.get("config")
    is_layer = isinstance(config, dict) and "trainable" in config
    return entry["class_name"] in OPERATORS and not is_layer
