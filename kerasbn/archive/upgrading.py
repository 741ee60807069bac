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
    from collections.abc import Mapping, Sequence

_MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
# A legacy file has the class's own name, where a `.keras` file has the exported one.
_EXPORTED_AS = {"GroupedQueryAttention": "GroupQueryAttention"}


def as_keras_format(model: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a model's whole configuration in the form of a `.keras` file."""
    result = deepcopy(dict(model))
    _upgrade(result)
    return result


def with_layers_named(model: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A Sequential model of Keras 2.0 to 2.2, whose configuration is a bare list.

    Args:
        model: a model's whole configuration, of any Keras 2.
        names: those of the outermost layers. A Sequential model among them has no
            other.

    Returns:
        The model, and those nested in it, with `name` and `layers`.
    """
    config = model.get("config")
    if isinstance(config, list):
        name = model.get("name") or "sequential"
        config = {"name": name, "layers": config}
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return model
    layers = [
        with_layers_named(_named(entry, names[number : number + 1]), ())
        if isinstance(entry, dict)
        else entry
        for number, entry in enumerate(config["layers"])
    ]
    return {**model, "config": {**config, "layers": layers}}


def _named(entry: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    nameless = isinstance(entry.get("config"), list) and not entry.get("name")
    return {**entry, "name": names[0]} if nameless and names else entry


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
