"""A live model as the graph on which the plan is made.

Layers are identified by object: one that is shared between nested models is one layer
with several calls.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras

from kerasbn.config_tree import LayerEntry
from kerasbn.graph import Graph, Layer, Node, Tensor
from kerasbn.graph.reading import keras_tensors
from kerasbn.live.calls import computes_its_graph
from kerasbn.live.held import layers_read_by_functions
from kerasbn.live.layers import batch_norms_inside, layers_inside
from kerasbn.live.opening import Opener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kerasbn.live.calls import Calls


@dataclass(frozen=True, eq=False)
class LiveGraph(Graph):
    """A graph of live layers.

    Attributes:
        holders: name of a layer -> the layers that hold the same object.
    """

    holders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def held_inside(self) -> Mapping[str, tuple[str, ...]]:
        """The layers of `holders`, since names are not enough here."""
        return self.holders


@dataclass(frozen=True, eq=False)
class Hidden:
    """A BN in a layer that cannot be opened, by its path, with the reason."""

    path: str
    reason: str


class LiveModel:
    """A live model and everything that the fold must know about it.

    Args:
        model: a built `keras.Model`.
        open_blocks: whether to open custom layers and subclassed models by running
            their code; if not, only Functional and Sequential models are read.

    Raises:
        CannotOpenError: if its code calls its layers, and cannot be traced.
    """

    def __init__(self, model: Any, open_blocks: bool = True) -> None:
        self.model = model
        self._opener = Opener(open_blocks)
        self._paths = {id(layer): path for layer, path in layers_inside(model)}
        self._taken = set(self._paths.values())
        self._known: dict[int, Layer] = {}
        self.layers: dict[str, Any] = {}
        self.entries: dict[str, LayerEntry] = {}
        self.calls: dict[int, Calls] = {}
        self.graph = self._read(model, "")

    @cached_property
    def hidden(self) -> list[Hidden]:
        """The BN layers that are not in the graph."""
        shown = {id(sublayer) for sublayer in self.layers.values()}
        found = {
            id(layer): Hidden(path, self._why_hidden(path))
            for layer, path in batch_norms_inside(self.model)
            if id(layer) not in shown
        }
        for path, layer in self.layers.items():
            for read in layers_read_by_functions(layer):
                for batch_norm, name in batch_norms_inside(read, include_self=True):
                    if id(batch_norm) not in shown:
                        reason = f"a function in the layer `{path}` calls it, unseen"
                        hidden = Hidden(f"{path}/{name}", reason)
                        found.setdefault(id(batch_norm), hidden)
        return list(found.values())

    def _why_hidden(self, path: str) -> str:
        """Return why a BN is not in the graph: in a closed layer, or never called."""
        parts = path.split("/")
        for end in range(1, len(parts)):
            name = "/".join(parts[:end])
            layer = self.layers.get(name)
            if layer is not None and id(layer) not in self.calls:
                reason = self._opener.closed.get(
                    id(layer), "it is known only to that layer's own code"
                )
                inner = batch_norms_inside(layer)
                count = f" and {len(inner) - 1} more" if len(inner) > 1 else ""
                return f"inside the layer `{name}`, which holds it{count}: {reason}"
        return "is never called"

    def _read(self, model: Any, path: str) -> LiveGraph:
        calls = self._opener.open(model)
        self.calls[id(model)] = calls
        layers: dict[str, Layer] = {}
        names: dict[int, str] = {}
        for operation in calls.operations:
            layer = self._layer(operation, path)
            layers[layer.name] = layer
            names[id(operation)] = layer.name
        places = _places(calls, names)
        nodes = tuple(
            _node(node, layers[names[id(node.operation)]], places)
            for node in calls.nodes
        )
        config = {
            "name": model.name,
            "trainable": model.trainable,
            "input_layers": _references(calls.inputs, places),
            "output_layers": _references(calls.outputs, places),
        }
        return LiveGraph(
            {"class_name": "Functional", "config": config},
            path,
            layers,
            nodes,
            tuple(places[id(leaf)] for leaf in keras.tree.flatten(calls.inputs)),
            tuple(places[id(leaf)] for leaf in keras.tree.flatten(calls.outputs)),
            self._holders(calls, names),
        )

    def _layer(self, operation: Any, parent: str) -> Layer:
        """Return the graph's layer for a live one; the same for the same."""
        if id(operation) in self._known:
            return self._known[id(operation)]
        path = self._path(operation, parent)
        self.layers[path] = operation
        graph = None
        if computes_its_graph(operation):
            graph = self._read(operation, path)
        elif (inner := _run_apart(operation)) is not None:
            # Its inputs and the calls differ in rank, so the plan does not match them.
            graph = self._read(inner, f"{path}/{inner.name}")
        entry = self.entries[path] = LayerEntry(_entry(operation, path), "")
        layer = Layer(entry, graph)
        self._known[id(operation)] = layer
        return layer

    def _path(self, operation: Any, parent: str) -> str:
        """Return a unique path: layers held by blocks may share their names."""
        known = self._paths.get(id(operation))
        if known is not None and known not in self.layers:
            return known
        stem = path = f"{parent}/{operation.name}" if parent else str(operation.name)
        number = 0
        while path in self._taken or path in self.layers:
            number += 1
            path = f"{stem}_{number}"
        return path

    def _holders(
        self, calls: Calls, names: Mapping[int, str]
    ) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for operation in calls.operations:
            if not isinstance(operation, keras.Layer) or id(operation) in self.calls:
                continue
            for inner in operation._flatten_layers(include_self=False):
                if (name := names.get(id(inner))) is not None:
                    found.setdefault(name, []).append(names[id(operation)])
        return {name: tuple(holders) for name, holders in found.items()}


def _run_apart(operation: Any) -> Any:
    """Return the model inside a wrapper that calls it for each step, if possible."""
    if type(operation) is keras.layers.TimeDistributed:
        return operation.layer if computes_its_graph(operation.layer) else None
    return None


def _entry(operation: Any, path: str) -> dict[str, Any]:
    """Return the entry of a layer in a configuration, as far as it is known."""
    cls = type(operation)
    entry = {
        "class_name": cls.__name__,
        "module": cls.__module__,
        "registered_name": keras.saving.get_registered_name(cls),
        "config": {"trainable": getattr(operation, "trainable", True)},
    }
    if cls.__module__.split(".")[0] in ("keras", "kerasbn"):
        try:
            with warnings.catch_warnings():  # Nothing is stored: no need to warn.
                warnings.simplefilter("ignore")
                serialised = keras.saving.serialize_keras_object(operation)
            entry.update(json.loads(json.dumps(serialised, default=str)))
        except Exception:  # Its contents are not known, and might matter.
            entry["module"] = None
    return {**entry, "name": path}


def _places(calls: Calls, names: Mapping[int, str]) -> dict[int, Tensor]:
    """Id of a symbolic tensor -> its reference in a graph."""
    counts: Counter[str] = Counter()
    places = {}
    for node in calls.nodes:
        name = names[id(node.operation)]
        for number, tensor in enumerate(node.outputs):
            places[id(tensor)] = Tensor(name, counts[name], number)
        counts[name] += 1
    return places


def _node(node: Any, layer: Layer, places: Mapping[int, Tensor]) -> Node:
    args, kwargs = (
        _serialised(arguments, places)
        for arguments in (node.arguments.args, node.arguments.kwargs)
    )
    tensors = list(keras_tensors([args, kwargs]))
    shape = tensors[0]["shape"] if tensors else None
    return Node(
        layer,
        places[id(node.outputs[0])].call,
        tuple(Tensor(*tensor["keras_history"]) for tensor in tensors),
        tuple(args),
        kwargs,
        None if shape is None else tuple(shape),
    )


def _serialised(value: Any, places: Mapping[int, Tensor]) -> Any:
    """Serialise arguments of a call as in a configuration."""
    if isinstance(value, keras.KerasTensor):
        config = {
            "shape": list(value.shape),
            "dtype": value.dtype,
            "keras_history": list(places[id(value)]),
        }
        return {"class_name": "__keras_tensor__", "config": config}
    if isinstance(value, dict):
        return {key: _serialised(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_serialised(item, places) for item in value]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return json.loads(json.dumps(keras.saving.serialize_keras_object(value)))
    except Exception:  # A custom object.
        return {"class_name": type(value).__name__, "config": None}


def _references(tensors: Any, places: Mapping[int, Tensor]) -> Any:
    if isinstance(tensors, keras.KerasTensor):
        return list(places[id(tensors)])
    if isinstance(tensors, dict):
        return {key: _references(item, places) for key, item in tensors.items()}
    return [_references(item, places) for item in tensors]
