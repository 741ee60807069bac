"""From the configuration of a legacy `.h5` file of Keras 3 to that of a `.keras` file.

A legacy file names a layer or an operator by its class alone, or by `package>Class`; a
`.keras` file says its module and its registered name, too. Arguments of a call are
written alike in both, positional ones included, so that an operator needs no more than
that to be loaded. (Keras itself looks for it among the layers, and fails.)
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
# A legacy file has the class's own name, where a `.keras` file has the exported one.
_EXPORTED_AS = {"GroupedQueryAttention": "GroupQueryAttention"}


def as_keras_format(model: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a model's whole configuration in the form of a `.keras` file."""
    result = deepcopy(dict(model))
    _upgrade(result)
    return result


def name_layers(model: Any, stored: Sequence[str] = ()) -> None:
    """Give a name to each layer that has none, in place: the one that Keras would give.

    The entries of a Sequential model have no name, and a custom layer whose
    `get_config` tells only what its constructor takes has none either. Keras then
    counts within the class.

    Args:
        model: a model's whole configuration.
        stored: the names of the outermost layers, where the file tells them.
    """
    _name_below(model, Counter(), stored)


def _name_below(entry: Any, count: Counter[str], stored: Sequence[str] = ()) -> None:
    config = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(config, dict):
        return
    layers = config.get("layers")
    inner = (
        [each for each in layers if isinstance(each, dict)]
        if (isinstance(layers, list))
        else []
    )
    is_input = [each.get("class_name") == "InputLayer" for each in inner]
    told = iter(stored if len(stored) == is_input.count(False) else ())
    if isinstance(config.get("layer"), dict):
        inner.append(config["layer"])
        is_input.append(False)
    for each, given in zip(inner, is_input, strict=True):
        name = None if given else next(told, None)
        if not _has_name(each):
            each["name"] = name or _counted(str(each.get("class_name")), count)
        _name_below(each, count)


def _has_name(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    own = config.get("name") if isinstance(config, dict) else None
    return entry.get("name") is not None or own is not None


def _counted(class_name: str, count: Counter[str]) -> str:
    stem = snake_case(class_name.rpartition(">")[2])
    count[stem] += 1
    return f"{stem}_{count[stem] - 1}" if count[stem] > 1 else stem


def with_lists_wrapped(model: dict[str, Any]) -> dict[str, Any]:
    """A model of Keras 2, with `layers` in all that was written as a bare list.

    Up to Keras 2.2 that was the whole configuration of a Sequential model.
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
