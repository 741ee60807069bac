"""Running a segment of a model call by call, in float64, before and after folding.

No model is built and no class but Keras' own is needed: a segment holds no others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.folding.proof.float64 import (
    float64_arithmetic,
    in_float64,
    relative_difference,
)
from kerasbn.folding.proof.inputs import LARGEST
from kerasbn.graph.reading import is_serialised_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.folding.proof.segments import Segment
    from kerasbn.graph import Call, LayerEntry, Node, Value
    from kerasbn.graph.model import Shape

    Array = NDArray[Any]

_BATCH = 2
# What axes of unknown size get: the first that every layer of the segment takes.
_OPEN_SIZES = (8, 24, 96)
_EXTRAS = ("_initializer", "_regularizer", "_constraint")


def segment_difference(
    segment: Segment, folded: FoldedModel, rng: np.random.Generator
) -> float | None:
    """The largest relative difference that folding makes to a segment's outputs.

    None if the segment cannot be run, since the shape of an input is not known.
    """
    flow = folded.plan.flow
    for size in _OPEN_SIZES:
        inputs: dict[Value, Array] = {}
        for value in segment.inputs:
            told = flow.shapes.get(value)
            if told is None:
                return None
            shape = _concrete(told, size)
            if math.prod(shape) > LARGEST:
                return None
            inputs[value] = rng.standard_normal(shape)
        try:
            with float64_arithmetic():
                expected = _Run(folded, False).outputs(segment, inputs)
        except Exception:
            continue
        with float64_arithmetic():
            received = _Run(folded, True).outputs(segment, inputs)
        return relative_difference(expected, received)
    return None


def _concrete(shape: Shape, size: int) -> list[int]:
    batch = shape[0] or _BATCH
    return [batch, *(size if each is None else each for each in shape[1:])]


@dataclass
class _Run:
    """One run, of the original or of the folded model."""

    folded: FoldedModel
    after: bool
    _layers: dict[str, Any] = field(default_factory=dict)

    def outputs(self, segment: Segment, inputs: Mapping[Value, Array]) -> list[Array]:
        """The values of the segment's outputs for the given inputs."""
        values = dict(inputs)
        for call in segment.calls:
            values[call.output] = self._result(call, [values[v] for v in call.inputs])
        return [values[value] for value in segment.outputs]

    def _result(self, call: Call, inputs: list[Array]) -> Array:
        if self.after and call.layer.path in self.folded.plan.gone:
            return inputs[0]
        config = self._config(call)
        first = config.get("data_format") == "channels_first"
        if first:  # TensorFlow's CPU kernels take channels last only.
            config = {**config, "data_format": "channels_last"}
            inputs = [np.moveaxis(each, 1, -1) for each in inputs]
        if call.layer.path not in self._layers:
            self._layers[call.layer.path] = self._layer(call, config, inputs[0].shape)
        node = self.folded.node(call.node) if self.after else call.node
        args, kwargs = _arguments(call, node, inputs)
        result = keras.ops.convert_to_numpy(
            self._layers[call.layer.path](*args, **kwargs)
        )
        if first and result.ndim == inputs[0].ndim:
            return np.moveaxis(result, -1, 1)
        return result

    def _config(self, call: Call) -> dict[str, Any]:
        path = call.layer.path
        if self.after and path in self.folded.changed:
            return self.folded.changed[path].config
        return dict(call.layer.config)

    def _layer(self, call: Call, config: dict[str, Any], shape: tuple[int, ...]) -> Any:
        # Initializers and the like may be of the user's own, and change nothing here.
        config = {k: v for k, v in config.items() if not k.endswith(_EXTRAS)}
        raw = call.layer.entry.raw
        entry = {
            "module": raw.get("module", "keras.layers"),
            "class_name": raw["class_name"],
            "registered_name": raw.get("registered_name"),
            "config": config,
        }
        layer = keras.saving.deserialize_keras_object(in_float64(entry))
        if not call.layer.entry.is_operator:
            layer.build(shape)
            self._fill(layer, call.layer.entry)
        return layer

    def _fill(self, layer: Any, entry: LayerEntry) -> None:
        if entry.wrapped is not None:
            layer, entry = layer.layer, entry.wrapped
        variables: list[Any] = [
            each.read() for each in self.folded.archive.variables(entry.path)
        ]
        if self.after:
            variables = self.folded.float64_weights.get(entry.path, variables)
        if variables:
            store = {str(number): each for number, each in enumerate(variables)}
            layer.load_own_variables(store)


def _arguments(
    call: Call, node: Node, inputs: list[Array]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call with values in the place of tensors."""
    values = iter([keras.ops.convert_to_tensor(each) for each in inputs])
    args = [_filled(argument, values) for argument in node.args]
    kwargs = {key: _filled(node.kwargs[key], values) for key in sorted(node.kwargs)}
    # A Sequential model does not write arguments down.
    return [*args, *([] if args or kwargs else values)], {**kwargs, **_inference(call)}


def _inference(call: Call) -> dict[str, Any]:
    kind = call.layer.class_name
    return {"training": False} if kind == "BatchNormalization" else {}


def _filled(argument: Any, values: Iterator[Any]) -> Any:
    if is_serialised_tensor(argument):
        return next(values)
    if isinstance(argument, list):
        return [_filled(item, values) for item in argument]
    if isinstance(argument, dict):
        return keras.saving.deserialize_keras_object(in_float64(argument))
    return argument
