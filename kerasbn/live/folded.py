"""The folded model for a live one: the live graph, run again."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import keras

from kerasbn.live.copying import constructor_arguments
from kerasbn.live.rebuilding import Rebuilder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kerasbn.graph import Argument
    from kerasbn.live.copying import Copier
    from kerasbn.live.reading import LiveModel
    from kerasbn.live.rebuilding import Constant


class Rebuilt:
    """A new model made from a live one.

    Args:
        live: the original.
        removed: the paths of the layers to leave out.
        identities: the paths of those that become `Identity` under their names.
        changed: path of a layer -> its new configuration, as a file would hold it.
        constants: path of a layer -> constants among its calls' arguments that change.

    Attributes:
        model: the new model; the changed layers still have random weights.
        shared: layer -> the attributes that it shares with the original's.
        exact_constants: id of a changed constant -> its value in float64.
    """

    def __init__(
        self,
        live: LiveModel,
        removed: Sequence[str],
        identities: Sequence[str],
        changed: Mapping[str, Mapping[str, Any]],
        constants: Mapping[str, Mapping[Argument, Constant]] = MappingProxyType({}),
    ) -> None:
        paths = {id(layer): path for path, layer in live.layers.items()}
        gone = {id(live.layers[path]) for path in removed}
        rebuilder = Rebuilder(live.calls, gone, paths, constants)
        self._changed: dict[str, Any] = {}
        for path in identities:
            original = live.layers[path]
            identity = keras.layers.Identity(
                name=original.name, dtype=original.dtype_policy
            )
            rebuilder.replace(original, identity)
        for path, config in changed.items():
            original = live.layers[path]
            old = live.entries[path].config
            new = _remade(original, old, config, rebuilder)
            rebuilder.replace(original, new)
            self._changed[path] = new
        self.model = rebuilder.copied(live.model)
        self.shared = rebuilder.shared
        self.exact_constants = rebuilder.exact
        self._rebuilder = rebuilder  # It keeps the constants alive.

    def assign(
        self, path: str, variables: Sequence[Any], copier: Copier | None = None
    ) -> None:
        """Assign weights to a changed layer, or to the one it wraps.

        Args:
            path: the layer's path.
            variables: the arrays, in stored order.
            copier: the copier of `model`, if its copy is meant.
        """
        layer = self._layer(path)
        if copier is not None:
            layer = copier.copied(layer)
        store = {str(number): variable for number, variable in enumerate(variables)}
        layer.load_own_variables(store)

    def _layer(self, path: str) -> Any:
        if path in self._changed:
            return self._changed[path]
        return self._changed[path.rpartition("/")[0]].layer


def _remade(
    original: Any, old: Mapping[str, Any], new: Mapping[str, Any], copier: Copier
) -> Any:
    """Make a Keras layer, not built, with another configuration."""
    config = {
        key: copier.copied(value) if isinstance(value, keras.Layer) else value
        for key, value in constructor_arguments(original).items()
        if key != "layer"
    }
    if original.__class__.__name__ == "TimeDistributed":
        inner = _remade(
            original.layer, old["layer"]["config"], new["layer"]["config"], copier
        )
        return type(original)(**{**config, "layer": inner})
    config.update((key, new[key]) for key in new if new[key] != old.get(key))
    return type(original).from_config(config)
