"""Subclassed models and blocks as calls of the layers inside, if their code allows.

A model is run once with symbolic tensors. Each layer that its code calls then records
the call, as in a Functional model. Blocks, custom layers that hold BN, are run through
likewise; all others are recorded as they are called.
"""

from __future__ import annotations

import inspect
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.comparing import random_inputs, relative_difference
from kerasbn.live.calls import Calls, calls_of, computes_its_graph, has_graph
from kerasbn.live.layers import batch_norms_inside, is_own

if TYPE_CHECKING:
    from collections.abc import Iterator

# The opened model runs the same operations, so it must be equal except for rounding.
_TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
_SHORT_TOLERANCE = 2e-2
_SEED = 1502_03167


class CannotOpenError(Exception):
    """The code of a model or layer cannot be run with symbolic tensors; says why."""


@dataclass
class Opener:
    """An opener of models, at any depth.

    Attributes:
        blocks: whether to open blocks, and models that do not compute their graph.
        closed: id of a block -> why it cannot be opened.
    """

    blocks: bool = True
    closed: dict[int, str] = field(default_factory=dict)

    def open(self, model: Any) -> Calls:
        """Return the calls in a model, with blocks opened wherever possible.

        Args:
            model: a `keras.Model` that has been built or called.

        Raises:
            CannotOpenError: if it does not compute its graph, and its code does not run
                with symbolic tensors, or does something else with them.
        """
        if not self.blocks:
            if not has_graph(model):
                raise CannotOpenError("only its code knows its layers")
            return calls_of(model)
        if computes_its_graph(model):
            calls = calls_of(model)
            if not any(map(self._is_block, calls.operations)):
                return calls
            inputs = calls.inputs
        else:
            calls = None
            inputs = symbolic_inputs(model)
        while True:
            trace = _Trace(self)
            opened = trace.run(model, inputs, calls)
            wrong = trace.wrong_ones(model, opened)
            if not wrong:
                return opened
            if id(model) in wrong:
                raise CannotOpenError(wrong[id(model)])
            self.closed.update(wrong)

    def _is_block(self, layer: Any) -> bool:
        return (
            isinstance(layer, keras.Layer)
            and is_own(layer)
            and not computes_its_graph(layer)
            and bool(batch_norms_inside(layer))
        )

    def is_open(self, layer: Any) -> bool:
        """Whether a layer is a block that can be opened."""
        if id(layer) in self.closed or not self._is_block(layer):
            return False
        if layer._trainable_variables or layer._non_trainable_variables:
            self.closed[id(layer)] = "it has weights of its own besides those of layers"
        return id(layer) not in self.closed


@dataclass
class _BlockCall:
    """A call of the outermost of nested blocks."""

    block: Any
    args: Any
    kwargs: Any
    outputs: Any


class _Trace:
    """A run of a model with symbolic tensors."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._calls: list[_BlockCall] = []
        self._depth = 0

    def run(self, model: Any, inputs: Any, calls: Calls | None) -> Calls:
        """Return the calls in the model.

        Args:
            model: the model.
            inputs: symbolic tensors like its inputs.
            calls: those of its graph; None if they are only in its code.
        """
        blocks = [
            layer for layer in model._flatten_layers() if self._opener.is_open(layer)
        ]
        inputs = keras.tree.map_structure(_like, inputs)
        with ExitStack() as restoring:
            restoring.enter_context(_nodes_forgotten(model))
            for cls in {type(block) for block in blocks}:
                restoring.enter_context(self._opened(cls))
            try:
                if calls is not None:
                    outputs = calls.run(
                        inputs, lambda node, _, args, kw: node.operation(*args, **kw)
                    )
                else:
                    outputs = model.call(inputs, **at_inference(model))
                return Calls.between(inputs, outputs, opened=True)
            except Exception as error:
                # It is the user's own code, and may do anything.
                raise CannotOpenError(
                    f"its call does not run with symbolic tensors: {first_line(error)}"
                ) from error

    @contextmanager
    def _opened(self, cls: Any) -> Iterator[None]:
        """Let calls of a class's blocks run their code instead of recording a call."""
        usual, own = cls.__call__, cls.__dict__.get("__call__")

        def through(block: Any, *args: Any, **kwargs: Any) -> Any:
            flat = keras.tree.flatten([args, kwargs])
            symbolic = any(isinstance(leaf, keras.KerasTensor) for leaf in flat)
            if symbolic and self._opener.is_open(block):
                try:
                    return self._through(block, args, dict(kwargs))
                except Exception as error:
                    self._opener.closed[id(block)] = (
                        "its call does not run with symbolic tensors: "
                        f"{first_line(error)}"
                    )
            return usual(block, *args, **kwargs)

        cls.__call__ = through
        try:
            yield
        finally:
            if own is None:
                del cls.__call__
            else:
                cls.__call__ = own

    def _through(self, block: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        parameters = inspect.signature(block.call).parameters
        if "training" not in parameters:
            kwargs.pop("training", None)  # As Keras does in this case.
        args, kwargs = _converted(block, (args, kwargs))
        mask = _mask(args[0] if args else next(iter(kwargs.values())))
        if mask is not None and "mask" in parameters:
            kwargs.setdefault("mask", mask)
        self._depth += 1
        try:
            outputs = block.call(*args, **{**at_inference(block), **kwargs})
        finally:
            self._depth -= 1
        if block.supports_masking and args:
            block._set_mask_metadata(args[0], outputs, kwargs.get("mask", mask))
        if not self._depth:
            self._calls.append(_BlockCall(block, args, kwargs, outputs))
        return outputs

    def wrong_ones(self, model: Any, opened: Calls) -> dict[int, str]:
        """Id of a model or block that computes something else symbolically -> what.

        Each runs on random inputs, in its own precision, as does its record.
        """
        try:
            inputs = random_inputs(opened.inputs, np.random.default_rng(_SEED))
        except ValueError as error:
            return {id(model): str(error)}
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        values: dict[int, Any] = {}

        def called(node: Any, _: Any, args: Any, kwargs: Any) -> Any:
            outputs = node.operation(*args, **kwargs)
            pairs = zip(node.outputs, keras.tree.flatten(outputs), strict=False)
            values.update((id(one), other) for one, other in pairs)
            return outputs

        given = zip(*map(keras.tree.flatten, (opened.inputs, tensors)), strict=True)
        values.update((id(one), other) for one, other in given)
        with keras.StatelessScope():  # The states of an RNN are not changed.
            received = opened.run(tensors, called)
        with keras.StatelessScope():
            expected = model(tensors, **at_inference(model))
        found = self._difference(model, expected, received)
        if found is None:
            return {}
        blocks = {
            id(call.block): self._block_difference(call, values) for call in self._calls
        }
        wrong = {block: why for block, why in blocks.items() if why is not None}
        return wrong or {id(model): found}

    def _block_difference(self, call: _BlockCall, values: dict[int, Any]) -> str | None:
        def value(one: Any) -> Any:
            return values[id(one)] if isinstance(one, keras.KerasTensor) else one

        args, kwargs, noted = keras.tree.map_structure(
            value, (call.args, call.kwargs, call.outputs)
        )
        with keras.StatelessScope():
            outputs = call.block(*args, **{**at_inference(call.block), **kwargs})
        return self._difference(call.block, outputs, noted)

    @staticmethod
    def _difference(layer: Any, expected: Any, received: Any) -> str | None:
        as_arrays = keras.ops.convert_to_numpy
        one, other = (
            keras.tree.map_structure(as_arrays, side) for side in (expected, received)
        )
        try:
            difference = relative_difference(one, other)
        except ValueError:
            return "its call returns something else with symbolic tensors"
        if difference <= _TOLERANCE.get(layer.compute_dtype, _SHORT_TOLERANCE):
            return None
        return (
            "its call does something else with symbolic tensors: relative difference "
            f"{difference:.1e}"
        )


@contextmanager
def _nodes_forgotten(model: Any) -> Iterator[None]:
    """Leave the layers unchanged: without the calls that were recorded meanwhile."""
    operations = {id(sublayer): sublayer for sublayer in model._flatten_layers()}
    for layer in list(operations.values()):
        graph = getattr(layer, "_functional", None) or layer
        operations.update(
            (id(operation), operation)
            for operation in getattr(graph, "_operations", ())
        )
    before = [
        (operation, len(operation._inbound_nodes), len(operation._outbound_nodes))
        for operation in operations.values()
    ]
    try:
        yield
    finally:
        for earlier, inbound, outbound in before:
            del earlier._inbound_nodes[inbound:]
            del earlier._outbound_nodes[outbound:]


def _converted(block: Any, arguments: Any) -> Any:
    """Convert arguments to the dtype in which a block computes, as Keras does."""

    def converted(value: Any) -> Any:
        if not isinstance(value, keras.KerasTensor) or not block.autocast:
            return value
        if "float" not in value.dtype or value.dtype == block.compute_dtype:
            return value
        return keras.ops.cast(value, block.compute_dtype)

    return keras.tree.map_structure(converted, arguments)


def _mask(tensors: Any) -> Any:
    masks = keras.tree.map_structure(
        lambda tensor: getattr(tensor, "_keras_mask", None), tensors
    )
    known = [leaf for leaf in keras.tree.flatten(masks) if leaf is not None]
    return masks if known else None


def _like(tensor: Any) -> Any:
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def symbolic_inputs(model: Any) -> Any:
    """Return symbolic tensors of the shapes with which a model was built."""
    if getattr(model, "inputs", None):  # It has its own.
        return model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    if len(shapes) != 1:
        raise CannotOpenError("the shapes of its inputs are not known")
    return _inputs_of(next(iter(shapes.values())), None)


def _inputs_of(shape: Any, name: str | None) -> Any:
    if isinstance(shape, dict):
        return {key: _inputs_of(inner, key) for key, inner in shape.items()}
    if isinstance(shape, list | tuple) and any(
        isinstance(inner, list | tuple | dict) for inner in shape
    ):
        return type(shape)(_inputs_of(inner, None) for inner in shape)
    return keras.Input(tuple(shape)[1:], name=name)


def at_inference(layer: Any) -> dict[str, bool]:
    """Return the argument that requests inference, if a layer takes it."""
    parameters = inspect.signature(layer.call).parameters
    return {"training": False} if "training" in parameters else {}


def first_line(error: Exception) -> str:
    """Return an error's message without Keras' additions."""
    lines = str(error).rpartition("Exception encountered: ")[2].strip().splitlines()
    return lines[0] if lines else type(error).__name__
