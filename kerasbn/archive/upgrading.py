"""Conversion of the configuration of a Keras 3 legacy `.h5` file to `.keras` form.

A legacy file names a layer or an operator by its class alone, or by `package>Class`; a
`.keras` file also has its module and its registered name. The arguments of a call have
the same form in both, including positional ones, so that an operator needs only these
names to be loaded. (Keras itself looks for it among the layers, and fails.)
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from kerasbn.archive.keras_names import LAYERS, OPERATORS
from kerasbn.config_tree import is_graph, snake_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
# A legacy file has the class's own name, a `.keras` file the exported one.
_EXPORTED_AS = {"GroupedQueryAttention": "GroupQueryAttention"}


def as_keras_format(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a model's whole configuration in the form of a `.keras` file."""
    result = deepcopy(dict(model))
    _upgrade(result)
    return result


def name_layers(model: Any, stored: Sequence[str] = ()) -> None:
    """Give each layer without a name the one that Keras would give, in place.

    The entries of a Sequential model have no name, and neither has a custom layer whose
    `get_config` returns only its constructor's arguments. Keras then counts within the
    class.

    Args:
        model: a model's whole configuration.
        stored: the names of the outermost layers, if the file has them.
    """
    _name_below(model, Counter(), stored)


def _name_below(entry: Any, count: Counter[str], stored: Sequence[str] = ()) -> None:
    config = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(config, dict):
        return
    layers = config.get("layers")
    inner = (
        [sublayer for sublayer in layers if isinstance(sublayer, dict)]
        if (isinstance(layers, list))
        else []
    )
    is_input = [entry.get("class_name") == "InputLayer" for entry in inner]
    stored_names = iter(stored if len(stored) == is_input.count(False) else ())
    if isinstance(config.get("layer"), dict):
        inner.append(config["layer"])
        is_input.append(False)
    for layer, given in zip(inner, is_input, strict=True):
        name = None if given else next(stored_names, None)
        if not _has_name(layer):
            layer["name"] = name or _counted(str(layer.get("class_name")), count)
        _name_below(layer, count)


def _has_name(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    own = config.get("name") if isinstance(config, dict) else None
    return entry.get("name") is not None or own is not None


def _counted(class_name: str, count: Counter[str]) -> str:
    stem = snake_case(class_name.rpartition(">")[2])
    count[stem] += 1
    return f"{stem}_{count[stem] - 1}" if count[stem] > 1 else stem


def with_lists_wrapped(model: dict[str, Any]) -> dict[str, Any]:
    """Return a Keras 2 model with `layers` in place of every bare list.

    Up to Keras 2.2 such a list was the whole configuration of a Sequential model.
    """
    config = model.get("config")
    if isinstance(config, list):
        config = {"layers": config}
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return model
    layers = [
        with_lists_wrapped(entry) if isinstance(entry, dict) else entry
        for entry in config["layers"]
    ]
    return {**model, "config": {**config, "layers": layers}}


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
    else:  # A custom class that was never registered.
        entry["module"], entry["registered_name"] = None, class_name
    if is_graph(entry):
        for inner in entry["config"]["layers"]:
            if isinstance(inner, dict):
                _upgrade(inner)


def _is_operator(entry: Mapping[str, Any]) -> bool:
    """Whether `Add` is `x + y` and not the layer, which has every layer's arguments."""
    config = entry.get("config")
    is_layer = isinstance(config, dict) and "trainable" in config
    return entry["class_name"] in OPERATORS and not is_layer
