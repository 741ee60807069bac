"""Conversion of a configuration to a graph, from every form of Keras' layer calls.

Keras 3 writes a call as `{"args": …, "kwargs": …}` with a tensor wherever one was
passed; Keras 2 as a list of `[layer, call, output, kwargs]`.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
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
        NotAGraphError: if the model is neither Functional nor Sequential, so that its
            configuration does not say how its layers are connected.
        UnusableFileError: if the configuration is malformed.
    """
    if not is_graph(model):
        raise NotAGraphError(
            "The model is neither Functional nor Sequential, so its configuration "
            "does not say how its layers are connected. Received: class "
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
        layer = Layer(entry)
        if layer.is_batch_norm:
            _check_batch_norm(layer)
        return layer
    return Layer(entry, read_graph(raw, entry.path))


def _check_batch_norm(layer: Layer) -> None:
    axis, epsilon = layer.config.get("axis", -1), layer.config.get("epsilon", 1e-3)
    axes = axis if isinstance(axis, list) and axis else [axis]
    whole = all(isinstance(axis, int) for axis in axes)
    if not whole or not isinstance(epsilon, int | float):
        raise UnusableFileError(
            f"The BN layer {layer.path!r} has an invalid configuration. Received: "
            f"axis={axis!r}, epsilon={epsilon!r}. Save the model again."
        )


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
    config = model["config"]
    numbering = first_calls(config, layers)
    nodes: list[Node] = []
    for layer in layers.values():
        calls = layer.entry.raw["inbound_nodes"]
        if not isinstance(calls, list):
            raise TypeError(f"the calls of {layer.path!r} are {str(calls)[:60]!r}")
        if not calls:
            nodes.append(Node(layer, 0, ()))
        for number, call in enumerate(calls):
            if isinstance(call, dict):
                nodes.append(_keras_3_call(layer, number, call))
            else:
                nodes.append(_keras_2_call(layer, number, call, numbering))
    graph = Graph(
        model,
        path,
        layers,
        tuple(nodes),
        tuple(references(_only_references(config["input_layers"]), numbering)),
        tuple(references(_only_references(config["output_layers"]), numbering)),
    )
    _check(graph)
    return graph


def _check(graph: Graph) -> None:
    taken = [tensor for node in graph.nodes for tensor in node.inputs]
    for node in graph.nodes:
        if not node.inputs and node.layer.is_batch_norm:
            raise UnusableFileError(
                f"The BN layer {node.layer.path!r} is called without a tensor, or not "
                "at all. Save the model again."
            )
    for tensor in (*taken, *graph.inputs, *graph.outputs):
        if tensor[:2] not in graph.producers or tensor.output < 0:
            raise UnusableFileError(
                f"The configuration of the model {graph.path or '(outermost)'!r} "
                f"refers to output {tensor.output} of call {tensor.call} of the layer "
                f"{tensor.layer!r}, which does not exist. Save the model again."
            )
    try:
        TopologicalSorter(
            {node: map(graph.producer, node.inputs) for node in graph.nodes}
        ).prepare()
    except CycleError as error:
        raise UnusableFileError(
            f"The layers of the model {graph.path or '(outermost)'!r} form a cycle. "
            f"Received: one through {error.args[1][0].layer.name!r}."
        ) from error


def _keras_3_call(layer: Layer, number: int, call: Mapping[str, Any]) -> Node:
    if not isinstance(call["args"], list) or not isinstance(call["kwargs"], dict):
        raise TypeError(f"a call has the arguments {str(call)[:60]!r}")
    found = list(keras_tensors([call["args"], call["kwargs"]]))
    first = found[0]["shape"] if found else None
    return Node(
        layer,
        number,
        tuple(_tensor(tensor["keras_history"]) for tensor in found),
        tuple(call["args"]),
        call["kwargs"],
        _shape(first),
    )


def keras_tensors(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the configuration of every tensor in serialised arguments, flattened."""
    if isinstance(value, dict):
        if is_serialised_tensor(value):
            yield value["config"]
            return
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list):
        for item in value:
            yield from keras_tensors(item)


def is_serialised_tensor(value: Any) -> bool:
    """Whether a value stands for a tensor in the arguments of a Keras 3 call."""
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _tensor(history: Any) -> Tensor:
    if not is_reference(history):
        raise TypeError(f"a tensor is given as {str(history)[:60]!r}")
    return Tensor(*history[:3])


def _keras_2_call(
    layer: Layer, number: int, call: Sequence[Any], numbering: Mapping[str, int]
) -> Node:
    inputs = list(references(call, numbering))
    kwargs: dict[str, Any] = {}
    for reference in _lists_of_references(call):
        if len(reference) > 3 and isinstance(reference[3], dict):
            kwargs.update(reference[3])
    # A keyword argument may only look like a tensor.
    found = references(kwargs, numbering)
    inputs += [tensor for tensor in found if tensor.layer in numbering]
    shape = (layer.entry.raw.get("build_config") or {}).get("input_shape")
    return Node(layer, number, tuple(inputs), (), kwargs, _shape(shape))


def references(value: Any, numbering: Mapping[str, int]) -> Iterator[Tensor]:
    """Yield the tensors in a structure of `[layer, call, output]`, flattened.

    Args:
        value: the structure, such as `output_layers`.
        numbering: the result of `first_calls` for the model.
    """
    for name, call, index in (found[:3] for found in _lists_of_references(value)):
        if name != "_CONSTANT_VALUE":  # An argument that Keras 2 wrote as a tensor.
            yield Tensor(name, call - numbering.get(name, 0), index)


def first_calls(
    config: Mapping[str, Any], layers: Mapping[str, Layer]
) -> dict[str, int]:
    """Layer name -> the number of its first call in `[layer, call, output]`.

    It is 1 for a Functional model, which counts its own construction as call 0; in
    Keras 2 a Sequential model does, too.
    """
    keras_2 = any(
        isinstance(call, list)
        for entry in config["layers"]
        for call in entry["inbound_nodes"]
    )
    numbering = dict.fromkeys(layers, 0)
    for name, layer in layers.items():
        if layer.graph is not None or "input_layers" in layer.config:
            numbering[name] = int(keras_2 or "input_layers" in layer.config)
    # A custom subclass of Functional may store only its arguments; it can then be
    # recognised only by a number beyond its calls.
    for name, call, *_ in _lists_of_references(config["output_layers"]):
        if name in layers and layers[name].graph is None:
            numbering[name] |= call == len(layers[name].entry.raw["inbound_nodes"]) > 0
    return numbering


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


def _only_references(value: Any) -> Any:
    """Return the value if it is a structure of `[layer, call, output]` throughout."""
    if not is_reference(value):
        if not isinstance(value, dict | list):
            raise TypeError(f"an input or output is given as {str(value)[:60]!r}")
        for item in value.values() if isinstance(value, dict) else value:
            _only_references(item)
    return value


def is_reference(value: Any) -> bool:
    """Whether a value is a `[layer, call, output]`, with or without arguments."""
    return (
        isinstance(value, list)
        and 3 <= len(value) <= 4
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _shape(value: Any) -> tuple[int | None, ...] | None:
    if isinstance(value, dict):  # A tuple, in the form of some versions.
        value = value.get("items", value.get("config"))
    if not isinstance(value, list):
        return None
    if not all(size is None or isinstance(size, int) for size in value):
        return None
    return tuple(value)
