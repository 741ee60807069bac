"""From the configuration of a legacy `.h5` file of Keras 3 to that of a `.keras` file.

A legacy file names a layer by its class alone, or by `package>Class`; a `.keras` file
says its module and its registered name, too.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from kerasbn.config_tree import is_graph

_MODULES = {
    "Functional": "keras.src.models.functional",
    "Sequential": "keras",
    # An operation, which Keras 3.8 put between layers of different dtypes.
    "Cast": "keras.src.ops.core",
}


def as_keras_format(model: dict[str, Any]) -> dict[str, Any]:
    """A copy of a model's whole configuration in the form of a `.keras` file."""
    result = deepcopy(model)
    _upgrade(result)
    return result


def _upgrade(entry: dict[str, Any]) -> None:
    package, _, class_name = str(entry["class_name"]).rpartition(">")
    if package:
        entry["registered_name"] = entry["class_name"]
        entry["module"] = None
    else:
        named = class_name in ("Functional", "Cast")
        entry["registered_name"] = class_name if named else None
        entry["module"] = _MODULES.get(class_name, "keras.layers")
    entry["class_name"] = class_name
    if is_graph(entry):
        for inner in entry["config"]["layers"]:
            _upgrade(inner)
