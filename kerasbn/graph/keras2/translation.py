"""A model of Keras 2 or tf_keras as a configuration of Keras 3.

Layer by layer and call by call: the classes and arguments of layers are replaced,
functions of TensorFlow become operators, and a call `[layer, call, output, arguments]`
becomes one with positional and keyword arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from kerasbn.errors import NotAGraphError, UnsupportedFormatError, UnusableFileError
from kerasbn.graph.keras2.calls import Arguments, keras_tensor
from kerasbn.graph.keras2.inputs import input_layer, input_shape, shape_of
from kerasbn.graph.keras2.layers import (
    is_hard_sigmoid,
    keras_3_entry,
    layer_entry,
    without_activation,
)
from kerasbn.graph.keras2.objects import TranslationError, policy
from kerasbn.graph.keras2.operations import is_operation, operation
from kerasbn.graph.keras2.shapes import output_shapes
from kerasbn.graph.reading import (
    first_calls,
    is_reference,
    keras_tensors,
    read_graph,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kerasbn.graph.model import Graph, Layer, Node, Shape, Tensor

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")


@dataclass(frozen=True)
class Translation:
    """A translated model.

    Attributes:
        config: its whole configuration, in the form of a `.keras` file of Keras 3.
        old_paths: path of a layer -> its old path, if it differs.
    """

    config: dict[str, Any]
    old_paths: Mapping[str, str]


class UntranslatableError(UnsupportedFormatError):
    """Keras 3 has no equivalent of a layer of Keras 2.

    Attributes:
        remedy: a way that works for this reason, with `{path!r}` for the file; None if
            only the usual ones remain.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


# Errors caused by a value of a wrong type in a configuration.
_MALFORMED = (
    *(KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError),
)


def translate(model: Mapping[str, Any], *, keep_names: bool = False) -> Translation:
    """Translate a model's whole configuration.

    Args:
        model: the configuration, as Keras 2 or tf_keras wrote it.
        keep_names: whether layers keep names with slashes, which Keras 3 rejects. This
            is right if only the graph is read.

    Raises:
        NotAGraphError: if it is neither Functional nor Sequential.
        UntranslatableError: if Keras 3 has no equivalent of one of its layers; the
            message names it.
        UnusableFileError: if it is malformed.
    """
    old_paths: dict[str, str] = {}
    graph = read_graph(model)
    name = str(model["config"].get("name") or "sequential")  # A bare list has none.
    try:
        made = _Model(graph, "", old_paths, keep_names)
        entry, _ = made.entry(name.replace("/", "_"))
    except (UnusableFileError, NotAGraphError):
        raise
    except _MALFORMED as error:  # Every step above reads values of the configuration.
        raise UnusableFileError(
            "The configuration of this Keras 2 model is malformed: "
            f"{type(error).__name__}: {error}. Save the model again."
        ) from error
    return Translation(entry, old_paths)


@dataclass
class _Model:
    """A model under translation.

    Attributes:
        graph: the model's graph, as Keras 2 wrote it.
        path: its new path.
        old_paths: new path of a layer -> its old one, for all models.
        keep_names: whether names keep their slashes.
        shape: the shape of its input, if only the model around it has it.
    """

    graph: Graph
    path: str
    old_paths: dict[str, str]
    keep_names: bool = False
    shape: Shape | None = None
    _names: dict[str, str] = field(default_factory=dict)
    _tails: dict[str, str] = field(default_factory=dict)
    _entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _shapes: dict[Tensor, Shape | None] = field(default_factory=dict)

    def entry(self, name: str) -> tuple[dict[str, Any], list[Shape | None]]:
        """Return the model's entry, and the shapes of its outputs."""
        self._name_layers()
        config: Any = self.graph.model["config"]
        if "input_layers" in config:
            layers = self._functional()
            extra = {
                "input_layers": self._ends(config["input_layers"]),
                "output_layers": self._ends(config["output_layers"]),
            }
            kind = ("keras.src.models.functional", "Functional", "Functional")
        else:
            layers, extra = self._sequential(), {}
            kind = ("keras", "Sequential", "")
        module, class_name, registered = kind
        own = {"name": name, "trainable": bool(config.get("trainable", True))}
        if class_name == "Sequential":
            own["dtype"] = "float32"
        entry = {
            "module": module,
            "class_name": class_name,
            "config": {**own, "layers": layers, **extra},
            "registered_name": registered or None,
        }
        return entry, [self._shapes.get(tensor) for tensor in self.graph.outputs]

    def _name_layers(self) -> None:
        """Rename layers with a slash, which Keras 3 does not allow."""
        taken: set[str] = set()
        for name in self.graph.layers:
            new = name if self.keep_names else name.replace("/", "_")
            while new in taken or (new != name and new in self.graph.layers):
                new += "_"
            taken.add(new)
            self._names[name] = new

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _sequential(self) -> list[dict[str, Any]]:
        layers: list[dict[str, Any]] = []
        shape = self.shape
        for node in self.graph.nodes:
            layer = node.layer
            if layer.class_name == "InputLayer":
                layers += self._made(layer)
                shape = shape_of(layer.config.get("batch_input_shape")) or shape
            else:
                if not layers:
                    shape = input_shape(self.graph, layer) or shape
                    layers += input_layer(layer, self._names[layer.name], shape)
                made = self._made(layer, shape)
                layers += made
                shape = self._after(layer, made, [shape])[0]
            self._shapes[node.output] = shape
        return layers

    def _functional(self) -> list[dict[str, Any]]:
        calls: dict[str, list[list[dict[str, Any]]]] = {
            name: [] for name in self.graph.layers
        }
        numbering = first_calls(self.graph.model["config"], self.graph.layers)
        # In order within a layer, too: a later call may need an earlier output.
        sorter: TopologicalSorter[Node] = TopologicalSorter()
        for node in self.graph.nodes:
            before = (self.graph.producer(tensor) for tensor in node.inputs)
            sorter.add(node, *(found for found in before if found is not None))
        found: dict[Node, list[dict[str, Any]]] = {}
        for node in sorter.static_order():
            if node.inputs:
                found[node] = self._call(node, numbering)
            else:
                self._given(node)
        for node in self.graph.nodes:
            if node in found:
                calls[node.layer.name].append(found[node])
        return list(self._with_calls(calls))

    def _with_calls(
        self, calls: Mapping[str, list[list[dict[str, Any]]]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of all layers, each with its calls."""
        for name in self.graph.layers:
            for place, entry in enumerate(self._entries[name]):
                yield {
                    **entry,
                    "name": entry["config"]["name"],
                    "inbound_nodes": [call[place] for call in calls[name]],
                }

    def _given(self, node: Node) -> None:
        layer = node.layer
        if is_operation(layer.entry.raw):
            raise _refusal(layer, "the file does not say which tensors it takes")
        self._made(layer)
        shape = shape_of(layer.config.get("batch_input_shape"))
        self._shapes[node.output] = shape or shape_of(layer.config.get("batch_shape"))

    def _call(self, node: Node, numbering: Mapping[str, int]) -> list[dict[str, Any]]:
        """Translate a call of a layer: into one of each layer that replaces it."""
        layer = node.layer
        raw = layer.entry.raw["inbound_nodes"][node.call]
        first, kwargs = Arguments(self.graph, numbering, self._tensor).of(raw)
        args = [first]
        inputs = [
            tuple(reference["shape"]) for reference in keras_tensors([args, kwargs])
        ]
        if is_operation(layer.entry.raw):
            args, kwargs = self._operation(layer, first, kwargs, inputs), {}
        elif layer.class_name in _RECURRENT and isinstance(first, list):
            kwargs = {**kwargs, "initial_state": first[1:]}
            args = first[:1]
        made = self._made(layer, inputs[0] if inputs else None)
        shapes = self._after(layer, made, list(inputs), args)
        calls = [{"args": args, "kwargs": kwargs}]
        for entry in made[:-1]:
            tensor = keras_tensor(entry["config"]["name"], node.call, 0, shapes[0])
            calls.append({"args": [tensor], "kwargs": {}})
        for number, shape in enumerate(shapes):
            self._shapes[node.output._replace(output=number)] = shape
        return calls

    def _operation(
        self, layer: Layer, first: Any, kwargs: Mapping[str, Any], shapes: list[Shape]
    ) -> list[Any]:
        """Make the operator for a TensorFlow function; return its arguments."""
        with _named(layer):
            done = operation(layer.entry.raw, first, kwargs, shapes[0])
        config = {"name": self._names[layer.name], **done.config}
        entry = {
            "module": f"keras.src.ops.{done.module}",
            "class_name": done.name,
            "config": config,
            "registered_name": done.name,
        }
        if done.module == "layers":
            entry = keras_3_entry(done.name, config)
        if self._entries.setdefault(layer.name, [entry]) != [entry]:
            raise _refusal(layer, "its calls have different arguments")
        return done.args

    def _made(self, layer: Layer, shape: Shape | None = None) -> list[dict[str, Any]]:
        """Return the entries of the layers that replace a layer, in call order."""
        if layer.name in self._entries:
            return self._entries[layer.name]
        name = self._names[layer.name]
        path = self._path(name)
        if path != layer.path:
            self.old_paths[path] = layer.path
        if layer.graph is not None:
            inner = _Model(layer.graph, path, self.old_paths, self.keep_names, shape)
            entry, self._inner_shapes[layer.name] = inner.entry(name)
            made = [entry]
        else:
            with _named(layer):
                made = _layers(layer.entry.raw, name)
        self._tails[layer.name] = made[-1]["config"]["name"]
        self._entries[layer.name] = made
        return made

    _inner_shapes: dict[str, list[Shape | None]] = field(default_factory=dict)

    def _after(
        self,
        layer: Layer,
        made: list[dict[str, Any]],
        shapes: list[Shape | None],
        args: list[Any] | None = None,
    ) -> list[Shape | None]:
        """Return the output shapes of a call."""
        if layer.graph is not None:
            return self._inner_shapes[layer.name]
        return output_shapes(made[0], shapes, args or ())

    def _tensor(self, tensor: Tensor) -> dict[str, Any]:
        """Return a tensor among the arguments of a call."""
        shape = self._shapes.get(tensor)
        if shape is None:
            raise _refusal(
                self.graph.layers[tensor.layer],
                "its output shape is not known",
            )
        name = self._tails.get(tensor.layer, self._names[tensor.layer])
        return keras_tensor(name, tensor.call, tensor.output, shape)

    def _ends(self, value: Any) -> Any:
        """Convert `input_layers` or `output_layers`; a list of one becomes its item."""
        if isinstance(value, list) and len(value) == 1:
            (value,) = value
        return self._end(value)

    def _end(self, value: Any) -> Any:
        if is_reference(value):
            name, call, output = value[:3]
            layer = self.graph.layers[name]
            if layer.graph is not None and "input_layers" not in layer.config:
                call -= 1  # In Keras 3 a Sequential model's first call is number 0.
            return [self._tails.get(name, self._names[name]), call, output]
        if isinstance(value, dict):
            return {key: self._end(item) for key, item in value.items()}
        return [self._end(item) for item in value]


def _model_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return translate(entry).config


def _layers(entry: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a layer's replacement: itself, and Keras 2's hard sigmoid after it."""
    if not is_hard_sigmoid(entry):
        return [layer_entry(entry, name, _model_entry)]
    dtype = policy(entry["config"].get("dtype"))
    scaled = {"name": f"{name}_scaled", "dtype": dtype, "scale": 0.2, "offset": 0.5}
    clipped = {"name": f"{name}_clipped", "dtype": dtype, "max_value": 1.0}
    return [
        layer_entry(without_activation(entry), name, _model_entry),
        keras_3_entry("Rescaling", scaled),
        keras_3_entry("ReLU", clipped),
    ]


class _named:  # noqa: N801 - it is used as a function
    """A context that adds the layer's name to an error."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: object, __: object) -> None:
        if isinstance(error, TranslationError):
            raise _refusal(self._layer, str(error), error.remedy) from error


def _refusal(
    layer: Layer, reason: str, remedy: str | None = None
) -> UntranslatableError:
    return UntranslatableError(
        f"The layer {layer.path!r} ({layer.class_name}) of this Keras 2 model cannot "
        f"be translated to Keras 3: {reason}.",
        remedy,
    )
