"""From a configuration to a graph: every form in which Keras wrote layer calls.

Keras 3 writes a call as `{"args": …, "kwargs": …}` with a tensor wherever one was
given; Keras 2 as a list of `[layer, call, output, kwargs]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.config_tree import LayerEntry, is_graph
from kerasbn.errors import NotAGraphError, UnusableFileError
from kerasbn.graph.model import Graph, Layer, Node, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def read_graph(model: Mapping[str, Any], path: str = "") -> Graph:
    """Read the graph of a model's whole configuration.

    Args:
        model: `class_name`, `config` and so on, as in `config.json`.
        path: the path of a nested model.

    Raises:
        NotAGraphError: if the model is no Functional or Sequential model, so that
            its configuration does not tell how its layers are connected.
        UnusableFileError: if the configuration is malformed.
    """
    if not is_graph(model):
        raise NotAGraphError(
            "The model is neither Functional nor Sequential, so its configuration "
            "does not tell how its layers are connected. Received: class "
            f"{model.get('class_name')!r}."
        )
    try:
        return _read(model, path)
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise UnusableFileError(
            f"The configuration of the model {path or '(outermost)'!r} is malformed: "
            f"{type(error).__name__}: {error}. Save the model again."
        ) from error


def _read(model: Mapping[str, Any], path: str) -> Graph:
    config = model["config"]
    layers = {
        layer.name: layer for layer in (_layer(raw, path) for raw in config["layers"])
    }
    if len(layers) != len(config["layers"]):
        raise UnusableFileError(
            f"Two layers of the model {path or '(outermost)'!r} have the same name. "
            "Save the model again."
        )
    if "input_layers" not in config:
        return _sequential(model, path, layers)
    return _functional(model, path, layers)


def _layer(raw: Mapping[str, Any], parent: str) -> Layer:
    entry = LayerEntry(raw, parent)
    if not entry.is_model:
        return Layer(entry)
    return Layer(entry, read_graph(raw, entry.path))


def _sequential(
    model: Mapping[str, Any], path: str, layers: Mapping[str, Layer]
) -> Graph:
    nodes: list[Node] = []
    start = tensor = Tensor("", 0, 0)
    for layer in layers.values():
        if layer.class_name == "InputLayer":
            node = Node(layer, 0, ())
            start = node.output
        else:
            shape = (layer.entry.raw.get("build_config") or {}).get("input_shape")
            node = Node(layer, 0, (tensor,), input_shape=_shape(shape))
        nodes.append(node)
        tensor = node.output
    return Graph(model, path, layers, tuple(nodes), (start,), (tensor,))


def _functional(
    model: Mapping[str, Any], path: str, layers: Mapping[str, Layer]
) -> Graph:
    nodes: list[Node] = []
    for layer in layers.values():
        calls = layer.entry.raw["inbound_nodes"]
        if not calls:
            nodes.append(Node(layer, 0, ()))
        for number, call in enumerate(calls):
            read = _keras_3_call if isinstance(call, dict) else _keras_2_call
            nodes.append(read(layer, number, call, layers))
    config = model["config"]
    graph = Graph(
        model,
        path,
        layers,
        tuple(nodes),
        tuple(references(config["input_layers"], layers, is_keras_2(config))),
        tuple(references(config["output_layers"], layers, is_keras_2(config))),
    )
    _check(graph)
    return graph


def _check(graph: Graph) -> None:
    taken = [tensor for node in graph.nodes for tensor in node.inputs]
    for tensor in (*taken, *graph.inputs, *graph.outputs):
        if tensor[:2] not in graph.producers:
            raise UnusableFileError(
                f"The configuration of the model {graph.path or '(outermost)'!r} "
                f"refers to call {tensor.call} of the layer {tensor.layer!r}, which is "
                "not there. Save the model again."
            )


def _keras_3_call(
    layer: Layer, number: int, call: Mapping[str, Any], _: Mapping[str, Layer]
) -> Node:
    found = list(keras_tensors([call["args"], call["kwargs"]]))
    first = found[0]["shape"] if found else None
    return Node(
        layer,
        number,
        tuple(Tensor(*tensor["keras_history"]) for tensor in found),
        tuple(call["args"]),
        call["kwargs"],
        _shape(first),
    )


def keras_tensors(value: Any) -> Iterator[dict[str, Any]]:
    """The configuration of every tensor in serialised arguments, in flattened order."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]
            return
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list):
        for item in value:
            yield from keras_tensors(item)


def _keras_2_call(
    layer: Layer, number: int, call: Sequence[Any], layers: Mapping[str, Layer]
) -> Node:
    kwargs: dict[str, Any] = {}
    for reference in _lists_of_references(call):
        if len(reference) > 3 and isinstance(reference[3], dict):
            kwargs.update(reference[3])
    inputs = references([call, kwargs], layers, keras_2=True)
    shape = (layer.entry.raw.get("build_config") or {}).get("input_shape")
    return Node(layer, number, tuple(inputs), (), kwargs, _shape(shape))


def is_keras_2(config: Mapping[str, Any]) -> bool:
    """Whether a Functional model's configuration is of Keras 2's form."""
    return any(
        isinstance(call, list)
        for entry in config["layers"]
        for call in entry["inbound_nodes"]
    )


def references(
    value: Any, layers: Mapping[str, Layer], keras_2: bool
) -> Iterator[Tensor]:
    """The tensors in a structure of `[layer, call, output]`, in flattened order."""
    for name, call, index in (found[:3] for found in _lists_of_references(value)):
        if name in layers:
            yield Tensor(name, call - first_call(layers[name], keras_2), index)


def first_call(layer: Layer, keras_2: bool) -> int:
    """The number that such a structure gives to a layer's first call.

    A nested Functional model counts its own construction as call 0; in Keras 2 a
    Sequential model does, too.
    """
    if layer.graph is None:
        return 0
    return int(keras_2 or "input_layers" in layer.config)


def _lists_of_references(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if not isinstance(value, list):
        return
    if is_reference(value):
        yield value
        return
    for item in value:
        yield from _lists_of_references(item)


def is_reference(value: Any) -> bool:
    """Whether a value is a `[layer, call, output]`, with or without arguments."""
    return (
        isinstance(value, list)
        and 3 <= len(value) <= 4
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _shape(value: Any) -> tuple[int | None, ...] | None:
    if isinstance(value, dict):  # A tuple, as some versions serialise it.
        value = value.get("items", value.get("config"))
    if not isinstance(value, list):
        return None
    if not all(size is None or isinstance(size, int) for size in value):
        return None
    return tuple(value)
