"""Conversion of a graph to a configuration, with layers removed or changed."""

from __future__ import annotations

from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasbn.graph.model import Tensor
from kerasbn.graph.ordering import keras_order
from kerasbn.graph.reading import (
    first_calls,
    is_reference,
    keras_tensors,
    read_graph,
    references,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kerasbn.graph.model import Graph


class Argument(NamedTuple):
    """An argument of a call.

    Attributes:
        call: the number of the call of its layer, from 0.
        place: the keys that lead to it in the call's entry: `("args", 1)`.
    """

    call: int
    place: tuple[str | int, ...]

    def replace(self, calls: Any, value: Any) -> None:
        """Put a value in its place among the calls of a layer."""
        holder = calls[self.call]
        *before, last = self.place
        for key in before:
            holder = holder[key]
        holder[last] = value


def rewrite(
    model: Mapping[str, Any],
    removed: Collection[str],
    changed: Mapping[str, Mapping[str, Any]],
    arguments: Mapping[str, Mapping[Argument, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return a new configuration of the whole model, without changing the given one.

    Args:
        model: the model's whole configuration, of Keras 3.
        removed: paths of layers to remove. Readers of such a layer's output then read
            its first input.
        changed: path of a layer -> the members of its entry that change.
        arguments: path of a layer -> the arguments of its calls that change, in written
            form.

    Returns:
        The configuration, with the layers in the order in which Keras will list
        those of the loaded model.
    """
    result = deepcopy(dict(model))
    for graph in reversed(list(read_graph(result).graphs())):
        for layer in graph.layers.values():
            for argument, value in arguments.get(layer.path, {}).items():
                argument.replace(layer.entry.raw["inbound_nodes"], value)
        _rewrite_one(graph, removed, changed)
    _sort(result)
    return result


def _rewrite_one(
    graph: Graph,
    removed: Collection[str],
    changed: Mapping[str, Mapping[str, Any]],
) -> None:
    """Change one model's configuration in place."""
    config: Any = graph.model["config"]
    instead = _bypass(graph, removed)
    if "input_layers" in config:
        for entry in config["layers"]:
            for tensor in keras_tensors(entry["inbound_nodes"]):
                history = Tensor(*tensor["keras_history"])
                tensor["keras_history"] = list(instead.get(history, history))
        numbering = first_calls(config, graph.layers)
        config["output_layers"] = _outputs(config["output_layers"], numbering, instead)
    kept = [layer for layer in graph.layers.values() if layer.path not in removed]
    config["layers"] = [
        _changed(layer.entry.raw, changed.get(layer.path, {})) for layer in kept
    ]


def _changed(entry: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with members replaced.

    Another class may not accept the old one's arguments, such as a mask: it gets only
    the first tensor.
    """
    result = {**entry, **changes}
    if "class_name" in changes and "inbound_nodes" in result:
        result["inbound_nodes"] = [
            {"args": [_first_tensor(call)], "kwargs": {}}
            for call in result["inbound_nodes"]
        ]
    return result


def _first_tensor(call: Mapping[str, Any]) -> dict[str, Any]:
    config = next(keras_tensors([call["args"], call["kwargs"]]))
    return {"class_name": "__keras_tensor__", "config": config}


def _bypass(graph: Graph, removed: Collection[str]) -> dict[Tensor, Tensor]:
    """Map the output of each removed call to the tensor to read instead."""
    instead: dict[Tensor, Tensor] = {}
    for node in graph.nodes:
        if node.layer.path in removed:
            instead[node.output] = node.inputs[0]
    for output in instead:
        chain = [output]
        while chain[-1] in instead:
            chain.append(instead[chain[-1]])
        instead.update(dict.fromkeys(chain[:-1], chain[-1]))
    return instead


def _outputs(
    value: Any, numbering: Mapping[str, int], instead: Mapping[Tensor, Tensor]
) -> Any:
    """Return `output_layers` with every reference to a removed call replaced."""
    if is_reference(value):
        (tensor,) = references(value, numbering)
        name, call, output = instead.get(tensor, tensor)
        return [name, call + numbering[name], output]
    if isinstance(value, dict):
        return {key: _outputs(item, numbering, instead) for key, item in value.items()}
    return [_outputs(item, numbering, instead) for item in value]


def _sort(model: dict[str, Any]) -> None:
    """Put the layers of every model into Keras' order, in place."""
    for graph in read_graph(model).graphs():
        place = {name: number for number, name in enumerate(keras_order(graph))}
        config: Any = graph.model["config"]
        names = list(graph.layers)
        config["layers"] = [
            entry
            for name, entry in sorted(
                zip(names, config["layers"], strict=True),
                key=lambda pair: place.get(pair[0], len(place)),
            )
        ]
