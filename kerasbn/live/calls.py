"""The calls between live layers: a graph whose nodes are Keras' own objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_inputs = keras.Input((1,), name="inputs")
_outputs = keras.layers.Identity(name="outputs")(_inputs)  # Keras 3.12 wants a layer.

FUNCTIONAL: Any = type(keras.Model(_inputs, _outputs, name="functional"))
"""The class of functional models, which has no public name."""


@dataclass(frozen=True, eq=False)
class Calls:
    """The calls in a model, from its inputs to its outputs.

    Attributes:
        inputs: its symbolic inputs, in the structure that it takes.
        outputs: its symbolic outputs, likewise.
        nodes: the calls of its layers and operators in topological order, including
            those of its input layers.
        opened: whether the nodes include the calls inside blocks instead of the calls
            of the blocks.
    """

    inputs: Any
    outputs: Any
    nodes: tuple[Any, ...]
    opened: bool = False

    @classmethod
    def between(cls, inputs: Any, outputs: Any, opened: bool = False) -> Calls:
        """Collect the calls that lead from symbolic inputs to symbolic outputs."""
        ends = [*keras.tree.flatten(inputs), *keras.tree.flatten(outputs)]
        return cls(inputs, outputs, tuple(_in_order(ends)), opened)

    @property
    def operations(self) -> list[Any]:
        """The called objects, each once, in the order of the first calls."""
        return list(
            {id(node.operation): node.operation for node in self.nodes}.values()
        )

    def run(
        self, inputs: Any, called: Callable[[Any, list[Any], Any, Any], Any]
    ) -> Any:
        """Run the calls again, on symbolic tensors or values.

        Args:
            inputs: the values for the inputs, in any structure of the same order.
            called: `(node, tensors, args, kwargs) -> outputs` for each call; `tensors`
                are those among the arguments.

        Returns:
            The outputs in the structure of `outputs`.
        """
        given = keras.tree.flatten(inputs)
        wanted = keras.tree.flatten(self.inputs)
        values = {id(one): other for one, other in zip(wanted, given, strict=True)}
        for node in self.nodes:
            if node.is_input:
                continue
            args, kwargs = node.arguments.fill_in(values)
            tensors = [values[id(tensor)] for tensor in node.input_tensors]
            results = keras.tree.flatten(called(node, tensors, args, kwargs))
            values.update(
                (id(one), other)
                for one, other in zip(node.outputs, results, strict=False)
            )
        return keras.tree.map_structure(lambda one: values[id(one)], self.outputs)


def has_graph(model: Any) -> bool:
    """Whether it is a built Functional or Sequential model, or of a subclass."""
    if isinstance(model, keras.Sequential):
        return bool(model._functional)
    return isinstance(model, FUNCTIONAL)


def computes_its_graph(model: Any) -> bool:
    """Whether it is such a model, and computes exactly its graph.

    A subclass with a `call` of its own may do something else.
    """
    usual = (keras.Sequential.call, FUNCTIONAL.call)
    return has_graph(model) and type(model).call in usual


def calls_of(model: Any) -> Calls:
    """Return the calls in the graph of a model."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    return Calls.between(graph._inputs_struct, graph._outputs_struct)


def node_of(tensor: Any) -> Any:
    """Return the call that made a symbolic tensor."""
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def _in_order(ends: Iterable[Any]) -> Iterable[Any]:
    """Sort the calls behind symbolic tensors, each after those that it reads."""
    done: dict[int, Any] = {}
    pending = [node_of(tensor) for tensor in reversed(list(ends))]
    while pending:
        node = pending[-1]
        before = [] if id(node) in done else [node_of(t) for t in node.input_tensors]
        missing = [operation for operation in before if id(operation) not in done]
        if missing:
            pending += reversed(missing)
        else:
            done[id(pending.pop())] = node
    return done.values()
