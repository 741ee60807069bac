"""Calls of single layers of a model, as configured, with given values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.folding.proof.float64 import in_float64
from kerasbn.folding.proof.initial import ZEROS, draws
from kerasbn.graph import LayerEntry, Trust, Unknown, unknown_parts
from kerasbn.graph.reading import is_serialised_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from kerasbn.graph import Call, Layer, Node

    Array = NDArray[Any]

# They may be the user's own code, and change nothing at inference.
_EXTRAS = ("_initializer", "_regularizer", "_constraint")


def unknown_in_call(call: Call, trust: Trust) -> list[Unknown]:
    """Return what is not known but needed to make a call's layer and its arguments.

    The layer's path stands for everything inside it.
    """
    entry = _entry(call.layer, dict(call.layer.config))
    found = unknown_parts([entry, list(call.node.args), dict(call.node.kwargs)], trust)
    return [part._replace(layer=call.layer.path) for part in found]


def make(layer: Layer, config: dict[str, Any]) -> Any:
    """Make a layer or operator that computes in float64, not yet built."""
    return keras.saving.deserialize_keras_object(in_float64(_entry(layer, config)))


def _entry(layer: Layer, config: dict[str, Any]) -> dict[str, Any]:
    raw = layer.entry.raw
    entry = {key: raw[key] for key in ("module", "registered_name") if key in raw}
    return {**entry, "class_name": raw["class_name"], "config": _plain(config)}


def _plain(config: Any) -> Any:
    """Return a configuration, also of inner layers, without what has no effect.

    Initializers that would draw random values by Keras' default become zeros.
    """
    if isinstance(config, list):
        return [_plain(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: ZEROS if draws(value) else _plain(value)
        for key, value in config.items()
        if draws(value) or not key.endswith(_EXTRAS)
    }


def parts(layer: Any, entry: LayerEntry) -> Iterator[tuple[Any, LayerEntry]]:
    """Yield the layer, or the one it wraps, with its entry in the configuration."""
    if entry.wrapped is None:
        yield layer, entry
    else:
        yield layer.layer, entry.wrapped


def call_layer(
    call: Call,
    node: Node,
    config: dict[str, Any],
    inputs: list[Array],
    made: Callable[[Call, dict[str, Any], list[Array]], Any],
) -> list[Array]:
    """Return the outputs of a call of a layer with this configuration.

    Args:
        call: the call.
        node: its arguments, which folding may have changed.
        config: the layer's configuration.
        inputs: the values in the places of `call.inputs`.
        made: (call, configuration, inputs) -> the layer.
    """
    first = _channels(config)
    if first is not None:  # TensorFlow's CPU kernels accept channels last only.
        config = _channels_last(config)
        inputs = [np.moveaxis(array, first, -1) for array in inputs]
    layer = made(call, config, inputs)
    args, kwargs = arguments(call, node, inputs)
    results = [
        keras.ops.convert_to_numpy(leaf)
        for leaf in keras.tree.flatten(layer(*args, **kwargs))
    ]
    if first is None:
        return results
    return [
        np.moveaxis(result, -1, first) if result.ndim == inputs[0].ndim else result
        for result in results
    ]


def _channels(config: dict[str, Any]) -> int | None:
    """Return the channel axis if a layer, or the one it wraps, has channels first."""
    if config.get("data_format") == "channels_first":
        return 1
    inner = config.get("layer")
    if isinstance(inner, dict) and isinstance(inner.get("config"), dict):
        found = _channels(inner["config"])
        return None if found is None else found + 1  # After the time axis.
    return None


def _channels_last(config: dict[str, Any]) -> dict[str, Any]:
    if "data_format" in config:
        return {**config, "data_format": "channels_last"}
    inner = config["layer"]
    return {**config, "layer": {**inner, "config": _channels_last(inner["config"])}}


def arguments(
    call: Call, node: Node, inputs: list[Array]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call with values in the place of tensors."""
    values = iter([_tensor(array) for array in inputs])
    args = [_filled(argument, values) for argument in node.args]
    kwargs = {key: _filled(node.kwargs[key], values) for key in sorted(node.kwargs)}
    if not node.args and not any(map(_holds_tensor, node.kwargs.values())):
        args = list(values)  # The arguments of a Sequential model are not saved.
    if call.layer.is_batch_norm or "training" in kwargs:
        kwargs["training"] = call.training
    return args, kwargs


def _tensor(value: Any) -> Any:
    if isinstance(value, keras.KerasTensor):
        return value
    return keras.ops.convert_to_tensor(value)


def _holds_tensor(argument: Any) -> bool:
    if is_serialised_tensor(argument):
        return True
    items = argument.values() if isinstance(argument, dict) else argument
    return isinstance(argument, dict | list) and any(map(_holds_tensor, items))


def _filled(argument: Any, values: Iterator[Any]) -> Any:
    if is_serialised_tensor(argument):
        return next(values)
    if isinstance(argument, list):
        return [_filled(item, values) for item in argument]
    if isinstance(argument, dict):
        if "class_name" in argument:
            return keras.saving.deserialize_keras_object(in_float64(argument))
        return {key: _filled(argument[key], values) for key in sorted(argument)}
    return argument
