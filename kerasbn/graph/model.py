"""The elements of a graph: tensors, layers and their calls."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kerasbn.config_tree import LayerEntry

    Shape = tuple[int | None, ...]


class Tensor(NamedTuple):
    """An output of a call of a layer of a graph."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer, operator or nested model of a graph.

    Attributes:
        entry: its entry in the configuration.
        graph: the nested model's own graph; None for all others.
    """

    entry: LayerEntry
    graph: Graph | None = None

    @property
    def name(self) -> str:
        """The name, unique within the model."""
        return self.entry.name

    @property
    def path(self) -> str:
        """The names of the models around it and its own: `inner/bn1`."""
        return self.entry.path

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's own configuration."""
        return self.entry.config

    @property
    def class_name(self) -> str:
        """The class's name without the package."""
        return self.entry.class_name

    @property
    def kind(self) -> str | None:
        """The class's name if it is Keras' own, else None."""
        return self.entry.class_name if self.entry.is_builtin else None

    @property
    def trainable(self) -> bool:
        """Whether the layer itself is trainable, whatever the models around it."""
        return bool(self.config.get("trainable", True))

    @property
    def is_batch_norm(self) -> bool:
        """Whether it is BN, Keras' own or kerasbn's."""
        if self.entry.raw.get("registered_name") == "kerasbn>BatchNormalization":
            return True
        if self.entry.raw.get("class_name") == "kerasbn>BatchNormalization":
            return True  # The form in legacy .h5 files.
        return self.kind in ("BatchNormalization", "SyncBatchNormalization")

    @property
    def batch_norm_variables(self) -> tuple[str, ...]:
        """The names of a BN layer's variables in stored order."""
        names = (
            *(("gamma",) if self.config.get("scale", True) else ()),
            *(("beta",) if self.config.get("center", True) else ()),
            *("moving_mean", "moving_variance"),
        )
        if self.config.get("renorm"):
            return (*names, "moving_stddev", "renorm_mean", "renorm_stddev")
        return names


class Operand(NamedTuple):
    """A tensor or constant that a call combines with others.

    Attributes:
        place: the keys that lead to it in the call's entry: `("args", 1)`.
        value: its form there.
    """

    place: tuple[str | int, ...]
    value: Any


@dataclass(frozen=True, eq=False)
class Node:
    """A call of a layer.

    Attributes:
        layer: the layer.
        call: the number of the call of this layer, from 0.
        inputs: the tensors among its arguments, in the order in which Keras flattens
            them.
        args: positional arguments as written in the configuration.
        kwargs: keyword arguments likewise, including `training` if the call had it.
        input_shape: the shape of the first input, batch included, if the file has it.
    """

    layer: Layer
    call: int
    inputs: tuple[Tensor, ...]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    input_shape: Shape | None = None

    @property
    def output(self) -> Tensor:
        """The first output of the call."""
        return Tensor(self.layer.name, self.call, 0)

    @property
    def operands(self) -> list[Operand]:
        """The operands of an operator or a merging layer, in order.

        They are arguments of their own or, for a merging layer, one list. A Sequential
        model does not save them.
        """
        found: list[Operand] = []
        for way, arguments in (("args", enumerate(self.args)), ("kwargs", self._named)):
            for key, value in arguments:
                place = (way, key)
                if isinstance(value, list):
                    found += [
                        Operand((*place, i), item) for i, item in enumerate(value)
                    ]
                else:
                    found.append(Operand(place, value))
        return found

    @property
    def _named(self) -> Iterator[tuple[str, Any]]:
        """Yield the keyword arguments that may be tensors, in Keras' order."""
        names = ("inputs", "x", "x1", "x2", "xs")
        return ((key, self.kwargs[key]) for key in names if key in self.kwargs)

    @property
    def training(self) -> bool | None:
        """The `training` argument of the call; None if it had none."""
        value = self.kwargs.get("training")  # Keras accepts it by keyword only.
        return bool(value) if isinstance(value, bool | int) else None


@dataclass(frozen=True, eq=False)
class Graph:
    """The calls of the layers of one Functional or Sequential model.

    Attributes:
        model: the model's whole configuration.
        path: the nested model's path; "" for the outermost.
        layers: name -> layer, in the configuration's order.
        nodes: every call, by layer and then in order of the calls.
        inputs: the tensors that the model takes.
        outputs: the tensors that it returns, in the order of `keras.tree.flatten`.
    """

    model: Mapping[str, Any]
    path: str
    layers: Mapping[str, Layer]
    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @cached_property
    def consumers(self) -> Mapping[Tensor, tuple[Node, ...]]:
        """Tensor -> the calls that take it, once for each time."""
        found: defaultdict[Tensor, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for tensor in node.inputs:
                found[tensor].append(node)
        return {tensor: tuple(nodes) for tensor, nodes in found.items()}

    @cached_property
    def producers(self) -> Mapping[tuple[str, int], Node]:
        """(layer, call) -> the node; look up a tensor by its first two elements."""
        return {(node.layer.name, node.call): node for node in self.nodes}

    @cached_property
    def held_inside(self) -> Mapping[str, tuple[str, ...]]:
        """Name of an object inside a layer's configuration -> those layers' names.

        A layer that the graph shares with a wrapper appears there by its name.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        for layer in self.layers.values():
            if layer.graph is None:
                for name in set(_names_inside(layer.config)):
                    found[name].append(layer.name)
        return {name: tuple(holders) for name, holders in found.items()}

    def producer(self, tensor: Tensor) -> Node | None:
        """Return the call that makes a tensor; None for a Sequential model's input."""
        return self.producers.get(tensor[:2])

    def calls(self, layer: Layer) -> tuple[Node, ...]:
        """Return the calls of a layer of this graph."""
        return self._calls.get(layer, ())

    @cached_property
    def _calls(self) -> Mapping[Layer, tuple[Node, ...]]:
        found: defaultdict[Layer, list[Node]] = defaultdict(list)
        for node in self.nodes:
            found[node.layer].append(node)
        return {layer: tuple(nodes) for layer, nodes in found.items()}

    def walk(self) -> Iterator[Layer]:
        """Yield every layer at any depth, outer before inner.

        A layer that live models share is yielded once.
        """
        yield from self._walk(set())

    def _walk(self, seen: set[Layer]) -> Iterator[Layer]:
        for layer in self.layers.values():
            if layer not in seen:
                seen.add(layer)
                yield layer
                if layer.graph is not None:
                    yield from layer.graph._walk(seen)

    def graphs(self) -> Iterator[Graph]:
        """Yield this graph and every nested one."""
        yield self
        for layer in self.layers.values():
            if layer.graph is not None:
                yield from layer.graph.graphs()


def _names_inside(config: Mapping[str, Any] | list[Any]) -> Iterator[str]:
    if isinstance(config, dict):
        inner = config.get("config")
        if "class_name" in config and isinstance(inner, dict) and "name" in inner:
            yield str(inner["name"])
        config = list(config.values())
    for item in config:
        if isinstance(item, dict | list):
            yield from _names_inside(item)
