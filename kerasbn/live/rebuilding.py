"""Rebuilding of a live model, with layers removed or changed and all others copied."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from kerasbn.live.calls import FUNCTIONAL, Calls, calls_of, computes_its_graph
from kerasbn.live.copying import Copier

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kerasbn.graph.rewriting import Argument


class Constant(NamedTuple):
    """A constant among the arguments of a call, in float64, and its own dtype."""

    value: Any
    dtype: str


class PlainCopier(Copier):
    """A copier whose nested models come back as plain Keras models.

    Saving a subclass of Functional would save only its constructor's arguments.

    Args:
        model: the model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._plain: set[int] = set()
        pending = [model]
        while pending:
            operation = pending.pop()
            if isinstance(operation, keras.Model) and computes_its_graph(operation):
                self._plain.add(id(operation))
                pending += calls_of(operation).operations

    def _class(self, model: Any) -> Any:
        if id(model) not in self._plain:
            return type(model)
        return keras.Sequential if isinstance(model, keras.Sequential) else FUNCTIONAL


class Rebuilder(Copier):
    """A maker of plain Keras models from the calls in others.

    Args:
        calls: id of a model -> its calls.
        removed: the ids of the layers to leave out. Readers of such a layer's output
            then read its first input.
        paths: id of a layer -> its path in the outermost model.
        constants: path of a layer -> constants among its calls' arguments that change.

    Attributes:
        exact: id of an inserted constant -> its value in float64.
    """

    def __init__(
        self,
        calls: Mapping[int, Calls],
        removed: Collection[int],
        paths: Mapping[int, str],
        constants: Mapping[str, Mapping[Argument, Constant]] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._calls = calls
        self._removed = removed
        self._paths = paths
        self._constants = constants
        self.exact: dict[int, Any] = {}

    def copied(self, original: Any) -> Any:
        if id(original) not in self._copies and id(original) in self._calls:
            self.replace(original, self._plain(original, self._calls[id(original)]))
        return super().copied(original)

    def _plain(self, model: Any, calls: Calls) -> Any:
        if isinstance(model, keras.Sequential) and not calls.opened:
            kept = [layer for layer in model.layers if id(layer) not in self._removed]
            start = self.input(model.inputs[0])
            new = keras.Sequential([start, *map(self.copied, kept)], name=model.name)
        else:
            inputs, outputs = self.rerun(calls)
            if calls.opened:
                outputs = _under_their_names(inputs, outputs, model)
            new = keras.Model(inputs, outputs, name=model.name)
        new._trainable = model._trainable
        return new

    def rerun(self, calls: Calls) -> tuple[Any, Any]:
        names = self._names(calls)
        counts: Counter[int] = Counter()

        def called(node: Any, tensors: list[Any], args: Any, kwargs: Any) -> Any:
            original = node.operation
            number = counts[id(original)]
            counts[id(original)] += 1
            if id(original) in self._removed:
                return tensors[0]
            args, kwargs = self._with_constants(original, number, args, kwargs)
            copy = self.copied(original)
            copy.name = names.get(id(original), copy.name)
            if type(copy) is keras.layers.Identity is not type(original):
                return copy(tensors[0])  # The other may have had a mask, too.
            return copy(*args, **kwargs)

        inputs = keras.tree.map_structure(self.input, calls.inputs)
        return inputs, calls.run(inputs, called)

    def _with_constants(
        self, original: Any, number: int, args: Any, kwargs: Any
    ) -> tuple[Any, Any]:
        """Return the arguments of a layer's call, with the constants that change."""
        for argument, constant in self._constants.get(
            self._paths.get(id(original), ""), {}
        ).items():
            if argument.call == number:
                new = keras.ops.convert_to_tensor(constant.value, constant.dtype)
                self._alive.append(new)
                self.exact[id(new)] = constant.value
                whole = {"args": args, "kwargs": kwargs}
                whole = _replaced(whole, argument.place, new)
                args, kwargs = whole["args"], whole["kwargs"]
        return args, kwargs

    def _names(self, calls: Calls) -> dict[int, str]:
        """Id of a layer -> a new name, if several of one model have the same.

        Layers held by blocks are then named after their blocks: `block_conv`.
        """
        counts = Counter(called.name for called in calls.operations)
        taken = set(counts)
        found: dict[int, str] = {}
        for operation in calls.operations:
            if counts[operation.name] > 1:
                stem = name = self._paths.get(id(operation), operation.name).replace(
                    "/", "_"
                )
                number = 0
                while name in taken:
                    number += 1
                    name = f"{stem}_{number}"
                taken.add(name)
                found[id(operation)] = name
        return found


def _replaced(holder: Any, place: Sequence[str | int], value: Any) -> Any:
    """Return a copy of nested arguments with another value in one place."""
    if not place:
        return value
    key, *rest = place
    if isinstance(holder, dict):
        return {**holder, key: _replaced(holder[key], rest, value)}
    items = list(holder)
    items[int(key)] = _replaced(items[int(key)], rest, value)
    return items if isinstance(holder, list) else tuple(items)


def _under_their_names(inputs: Any, outputs: Any, model: Any) -> Any:
    """Name outputs as those of the original, which may be those of a block."""
    graph = getattr(model, "_functional", None) or model
    names = getattr(graph, "output_names", None)
    flat = keras.tree.flatten(outputs)
    if not names or len(names) != len(flat):
        return outputs
    taken = {operation.name for operation in Calls.between(inputs, outputs).operations}
    named = [
        keras.layers.Identity(name=name)(tensor)
        if name not in taken and names.count(name) == 1
        else tensor
        for tensor, name in zip(flat, names, strict=True)
    ]
    return keras.tree.pack_sequence_as(outputs, named)
