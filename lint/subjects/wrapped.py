"""BN layers in the configuration of another layer, such as TimeDistributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.graph import Layer, LayerEntry

from .model import BatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

# No other layer is configured by all of these.
_BATCH_NORM_KEYS = {
    "axis",
    "momentum",
    "epsilon",
    "center",
    "scale",
    "moving_mean_initializer",
    "moving_variance_initializer",
}


def wrapped_batch_norms(layer: Layer, frozen: bool) -> Iterator[BatchNorm]:
    """Yield the BN layers in a layer's configuration, at any depth, without statistics.

    How often the layer calls them is only in its code, and therefore not known.
    """
    yield from _inside(layer.config, layer.path, frozen)


def _inside(value: Any, path: str, frozen: bool) -> Iterator[BatchNorm]:
    if isinstance(value, list):
        for item in value:
            yield from _inside(item, path, frozen)
    elif isinstance(value, dict) and _is_layer(value):
        layer = Layer(LayerEntry(value, path))
        frozen = frozen or not layer.trainable
        if layer.is_batch_norm or has_batch_norm_config(layer):
            yield BatchNorm(layer.path, layer.config, frozen, (), _not_stored, None)
        else:
            yield from _inside(layer.config, layer.path, frozen)
    elif isinstance(value, dict):
        yield from _inside(list(value.values()), path, frozen)


def has_batch_norm_config(layer: Layer) -> bool:
    """Whether a custom layer has the configuration of batch normalization.

    A subclass that extends this configuration writes it so. The effect of its code is
    not known, so nothing is folded into or out of it.
    """
    return layer.kind is None and layer.config.keys() >= _BATCH_NORM_KEYS


def _is_layer(value: dict[str, Any]) -> bool:
    """Whether it is the configuration of a named Keras object."""
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return "class_name" in value and isinstance(name, str) and name.isprintable()


def _not_stored() -> None:
    """Read no arrays: the configuration has none."""
