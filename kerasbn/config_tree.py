"""The layers listed in a model's configuration, at any depth.

This is what both halves of a saved model need: its weights are stored by the class
and order of these entries, and its graph connects them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Control characters and lone surrogates, which neither HDF5 nor a terminal accepts.
_UNSPEAKABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


_WRAPPER = "TimeDistributed"


@dataclass(frozen=True)
class LayerEntry:
    """An entry of a model's `layers`: a layer, an operator, or a nested model.

    Attributes:
        raw: the entry as it stands in the configuration.
        parent: the path of the model that lists it; "" for the outermost.
    """

    raw: Mapping[str, Any]
    parent: str

    @cached_property
    def name(self) -> str:
        """The layer's name, unique within its model."""
        name = self.raw.get("name") or self.config.get("name")
        if not isinstance(name, str) or not name or _UNSPEAKABLE.search(name):
            raise UnusableFileError(
                "The model's configuration contains a layer without a valid name. "
                f"Received: {str(self.raw)[:100]!r}. Save the model again."
            )
        return name

    @cached_property
    def path(self) -> str:
        """The names of the models around the layer and its own: `inner/bn1`."""
        return f"{self.parent}/{self.name}" if self.parent else self.name

    @cached_property
    def class_name(self) -> str:
        """The class's name without its package."""
        return str(self.raw.get("class_name", "")).rsplit(">", 1)[-1]

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The layer's own configuration."""
        config = self.raw.get("config")
        return config if isinstance(config, dict) else {}

    @property
    def wrapped(self) -> LayerEntry | None:
        """The layer inside a `TimeDistributed`, which holds the weights."""
        inner = self.config.get("layer")
        if not isinstance(inner, dict) or not self.is_builtin:
            return None
        return LayerEntry(inner, self.path) if self.class_name == _WRAPPER else None

    @property
    def is_builtin(self) -> bool:
        """Whether Keras itself ships the class.

        A class of `__main__` has the module None. Legacy `.h5` files name no module at
        all; a registered third-party class is then recognised by its package,
        `package>Class`.
        """
        return is_builtin(self.raw)

    @property
    def is_operator(self) -> bool:
        """Whether this is an operation such as `x + y`, which stores no weights."""
        return str(self.raw.get("module", "")).startswith(
            ("keras.src.ops", "keras.ops")
        )

    @property
    def is_model(self) -> bool:
        """Whether this is a nested Functional or Sequential model."""
        return is_graph(self.raw)


def is_builtin(entry: Mapping[str, Any]) -> bool:
    """Whether Keras itself ships the class of an entry."""
    if "module" not in entry:
        return ">" not in str(entry.get("class_name", ""))
    return str(entry["module"]).split(".")[0] in ("keras", "tf_keras")


def is_graph(model: Mapping[str, Any]) -> bool:
    """Whether a configuration says how its layers are called.

    That of Functional and Sequential models does. A subclass of theirs may list its
    layers as well, but only its code says how they are called.
    """
    config = model.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return False
    if not is_builtin(model):
        return False
    return "input_layers" in config or model.get("class_name") == "Sequential"


def layer_entries(model: Mapping[str, Any], parent: str = "") -> Iterator[LayerEntry]:
    """Yield every layer entry of a Functional or Sequential model, outer before inner.

    Raises:
        UnusableFileError: if an entry is malformed.
    """
    if not is_graph(model):
        return
    for raw in model["config"]["layers"]:
        if not isinstance(raw, dict):
            raise UnusableFileError(
                "An entry of the model's layers is not an object. "
                f"Received: {str(raw)[:100]!r}. Save the model again."
            )
        entry = LayerEntry(raw, parent)
        yield entry
        if entry.is_model:
            yield from layer_entries(raw, entry.path)


@lru_cache(512)
def snake_case(name: str) -> str:
    """`Conv2DTranspose` -> `conv2d_transpose`, as `keras.src.utils.naming` does it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
