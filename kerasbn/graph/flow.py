"""A model with its nested models opened up: the dependencies between values.

A nested model is a boundary for names, not for values: a BN outside one may follow a
convolution inside it. In a `Flow` the calls of all layers are side by side. A layer of
a nested model that is called twice has two calls there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasbn.errors import UnusableFileError
from kerasbn.graph.reading import is_reference, is_serialised_tensor, keras_tensors
from kerasbn.graph.shapes import output_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kerasbn.graph.model import Graph, Layer, Node, Shape, Tensor

# Models nested in one another, each used twice, double the calls at every level.
_MAX_CALLS = 100_000


class Value(NamedTuple):
    """An output of a call, at any depth.

    Attributes:
        call: the number of the call in `Flow.calls`; negative for a value that reaches
            a model from a place that the configuration does not name.
        output: which output of the call.
    """

    call: int
    output: int


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a layer, seen from outside all models.

    Attributes:
        number: its place in `Flow.calls`, which are in topological order.
        layer: the called layer; a nested model only if its inputs cannot be matched.
        node: the call in the layer's own graph.
        graph: that graph.
        inputs: the values that it takes.
        training: whether it, or a call of a model around it, may request training mode.
    """

    number: int
    layer: Layer
    node: Node
    graph: Graph
    inputs: tuple[Value, ...]
    training: bool

    @property
    def output(self) -> Value:
        """The first output."""
        return Value(self.number, 0)


@dataclass(eq=False)
class Flow:
    """The calls of a model's layers, in all its models.

    Attributes:
        calls: in topological order.
        consumers: value -> the calls that take it, a call once for each time.
        calls_of: path of a layer -> its calls.
        returned: the values that the model returns, and those with readers that the
            configuration does not name.
        shapes: value -> its shape with the batch, if the configuration has it.
    """

    calls: list[Call] = field(default_factory=list)
    consumers: defaultdict[Value, list[Call]] = field(
        default_factory=lambda: defaultdict(list)
    )
    calls_of: defaultdict[str, list[Call]] = field(
        default_factory=lambda: defaultdict(list)
    )
    returned: set[Value] = field(default_factory=set)
    shapes: dict[Value, Shape] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph) -> Flow:
        """Build the flow of the outermost model's graph.

        Raises:
            UnusableFileError: if there are absurdly many calls.
        """
        flow = cls()
        flow.returned.update(_Opening(flow).open(graph, None, training=False))
        return flow

    def producer(self, value: Value) -> Call | None:
        """Return the call that makes a value; None if the configuration has none."""
        return self.calls[value.call] if value.call >= 0 else None

    def sample_shape(self, value: Value) -> Shape | None:
        """Return the shape of one sample of a value, if it is known."""
        shape = self.shapes.get(value)
        return None if shape is None else shape[1:]


class _Opening:
    """The construction of a flow, from the inputs to the outputs."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._outside = 0

    def open(
        self, graph: Graph, arguments: Sequence[Value] | None, training: bool
    ) -> list[Value]:
        """Add the calls of a model for one call of it; return its outputs."""
        values: dict[Tensor, Value] = {}
        if arguments is not None:
            values.update(zip(graph.inputs, arguments, strict=True))
        for node in _in_order(graph):
            if node.output in values:  # An input from outside.
                self._note_shape(values[node.output], _input_shape(node))
                continue
            inputs = tuple(self._value(tensor, values) for tensor in node.inputs)
            for value, shape in zip(inputs, _input_shapes(node), strict=False):
                self._note_shape(value, shape)
            self._add(node, graph, inputs, training, values)
        return [self._value(tensor, values) for tensor in graph.outputs]

    def _add(
        self,
        node: Node,
        graph: Graph,
        inputs: tuple[Value, ...],
        training: bool,
        values: dict[Tensor, Value],
    ) -> None:
        layer, flow = node.layer, self._flow
        training = training or node.kwargs.get("training") not in (None, False)
        if layer.graph is not None and _is_matched(node, layer.graph):
            outputs = self.open(layer.graph, inputs, training)
            for number, value in enumerate(outputs):
                values[node.output._replace(output=number)] = value
            return
        if len(flow.calls) >= _MAX_CALLS:
            raise UnusableFileError(
                f"The model has more than {_MAX_CALLS:,} layer calls, counting those "
                "of its nested models each time that they are used. No real model has "
                "that many."
            )
        call = Call(len(flow.calls), layer, node, graph, inputs, training)
        flow.calls.append(call)
        flow.calls_of[layer.path].append(call)
        for value in inputs:
            flow.consumers[value].append(call)
        if not inputs:
            self._note_shape(call.output, _input_shape(node))
        elif len(inputs) == 1:
            shape = output_shape(layer, flow.shapes.get(inputs[0]))
            self._note_shape(call.output, shape)
        values[node.output] = call.output
        if layer.graph is not None:
            self._open_apart(layer.graph, training)

    def _open_apart(self, graph: Graph, training: bool) -> None:
        """Add a nested model whose inputs are not clear."""
        arguments = [self._from_outside() for _ in graph.inputs]
        self._flow.returned.update(self.open(graph, arguments, training))

    def _from_outside(self) -> Value:
        self._outside += 1
        return Value(-self._outside, 0)

    def _value(self, tensor: Tensor, values: dict[Tensor, Value]) -> Value:
        if tensor not in values:
            first = values.get(tensor._replace(output=0))
            # A call with several outputs, or the bare input of a Sequential model.
            found = first._replace(output=tensor.output) if first else None
            values[tensor] = found or self._from_outside()
        return values[tensor]

    def _note_shape(self, value: Value, shape: Shape | None) -> None:
        """Keep the shape with more known sizes."""
        present = self._flow.shapes.get(value)
        if shape is None:
            return
        if present is None or shape.count(None) <= present.count(None):
            self._flow.shapes[value] = shape


def _in_order(graph: Graph) -> Iterable[Node]:
    """Sort the calls of one model in topological order."""
    sorter: TopologicalSorter[Node] = TopologicalSorter()
    for node in graph.nodes:
        before = (graph.producer(tensor) for tensor in node.inputs)
        sorter.add(node, *(found for found in before if found is not None))
    return sorter.static_order()


def _input_shape(node: Node) -> Shape | None:
    """Return the shape given by an InputLayer."""
    shape = node.layer.config.get("batch_shape")
    return tuple(shape) if isinstance(shape, list) else None


def _input_shapes(node: Node) -> list[Shape | None]:
    """Return the shapes of a call's inputs, if it has them."""
    shapes = [
        t.get("shape") for t in keras_tensors([list(node.args), dict(node.kwargs)])
    ]
    if not shapes:
        return [node.input_shape]
    return [tuple(shape) if isinstance(shape, list) else None for shape in shapes]


def _is_matched(node: Node, graph: Graph) -> bool:
    """Whether it is clear which argument of a call is which input of the model.

    Keras also takes a dict for a list, by name, and adds or drops axes of size 1.
    """
    if any(True for _ in keras_tensors(list(node.kwargs.values()))):
        return False
    if len(node.inputs) != len(graph.inputs):
        return False
    for tensor, shape in zip(graph.inputs, _input_shapes(node), strict=False):
        taker = graph.producer(tensor)
        wanted = None if taker is None else _input_shape(taker)
        if wanted is not None and shape is not None and len(wanted) != len(shape):
            return False
    if len(graph.inputs) == 1:
        return True
    arguments = node.args[0] if node.args else None
    return _skeleton(arguments) == _skeleton(graph.model["config"]["input_layers"])


def _skeleton(value: Any) -> Any:
    """Return a structure with a placeholder for each tensor."""
    if is_reference(value) or is_serialised_tensor(value):
        return "tensor"
    if isinstance(value, dict):
        return {key: _skeleton(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_skeleton(item) for item in value]
    return None
