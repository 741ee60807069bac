"""Runs of a model's segments call by call, in float64, before and after folding.

No model is built: layers are made from their configurations, one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from kerasbn.folding.proof.calling import arguments, call_layer, make, parts
from kerasbn.folding.proof.float64 import float64_arithmetic, relative_difference
from kerasbn.folding.proof.inputs import LARGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.folding.proof.segments import Segment
    from kerasbn.graph import Call, Value
    from kerasbn.graph.model import Shape

    Array = NDArray[Any]

_BATCH = 2
# Sizes for axes of unknown size: the first that every layer of the segment accepts.
_OPEN_SIZES = (8, 24, 96, 224)
# A maximum does not show an operand that is always smaller. With large inputs no bias
# can keep it so.
_CUTTING = ("Maximum", "Minimum")
_FACTORS = (1.0, 1e3, 1e6)


class CannotRunSegment(Exception):  # noqa: N818 - it says why, and is always caught
    """A segment cannot be run, though all of its layers are known; says why."""


def segment_difference(
    segment: Segment,
    folded: FoldedModel,
    shapes: Mapping[Value, Shape],
    rng: np.random.Generator,
) -> float:
    """Return the largest relative difference that folding makes to a segment's outputs.

    Args:
        segment: the segment, all of whose layers are known.
        folded: the folded model and, in it, the original.
        shapes: the shapes of the segment's inputs, with the batch.
        rng: the source of the random inputs.

    Raises:
        CannotRunSegment: if no inputs are accepted by its layers.
    """
    cuts = any(call.layer.class_name in _CUTTING for call in segment.calls)
    reason: Exception | None = None
    for size in _OPEN_SIZES:
        concrete = {v: _concrete(shapes[v], size) for v in segment.inputs}
        if any(math.prod(shape) > LARGEST for shape in concrete.values()):
            raise CannotRunSegment("its inputs are too large") from reason
        inputs = {
            value: rng.standard_normal(shape) for value, shape in concrete.items()
        }
        with float64_arithmetic():
            before = _Run(folded, segment, after=False)
            try:
                expected = before.outputs(inputs)
            except Exception as error:  # Keras raises errors of any kind for a shape.
                reason = error
                continue
            after = _Run(folded, segment, after=True)
            largest = relative_difference(expected, after.outputs(inputs))
            for factor in _FACTORS[1:] if cuts else ():
                more = {value: array * factor for value, array in inputs.items()}
                pair = before.outputs(more), after.outputs(more)
                largest = max(largest, relative_difference(*pair))
        return largest
    raise CannotRunSegment(f"{type(reason).__name__}: {reason}") from reason


def _concrete(shape: Shape, size: int) -> list[int]:
    batch = shape[0] or _BATCH
    return [batch, *(size if length is None else length for length in shape[1:])]


@dataclass
class _Run:
    """The segment of the original, or that of the folded model."""

    folded: FoldedModel
    segment: Segment
    after: bool
    _layers: dict[str, Any] = field(default_factory=dict)

    def outputs(self, inputs: Mapping[Value, Array]) -> list[Array]:
        """Return the values of the segment's outputs for the given inputs."""
        values = dict(inputs)
        for call in self.segment.calls:
            results = self._results(call, [values[v] for v in call.inputs])
            for number, result in enumerate(results):
                values[call.output._replace(output=number)] = result
        return [values[value] for value in self.segment.outputs]

    def _results(self, call: Call, inputs: list[Array]) -> list[Array]:
        layer = call.layer
        if self.after and layer.path in self.folded.plan.gone:
            return inputs[:1]
        config = dict(layer.config)
        if self.after and layer.path in self.folded.changed:
            config = self.folded.changed[layer.path].config
        if layer.path in self.segment.ends:
            config = _without_activation(config)
        node = self.folded.node(call.node) if self.after else call.node
        return call_layer(call, node, config, inputs, self._made)

    def _made(self, call: Call, config: dict[str, Any], inputs: list[Array]) -> Any:
        """Return the layer of a call with its weights; each is made once."""
        path = call.layer.path
        if path not in self._layers:
            layer = make(call.layer, config)
            if not call.layer.entry.is_operator:
                _build(layer, call, inputs)
                self._fill(layer, call)
            self._layers[path] = layer
        return self._layers[path]

    def _fill(self, layer: Any, call: Call) -> None:
        for part, entry in parts(layer, call.layer.entry):
            variables: list[Any] = [
                variable.read()
                for variable in self.folded.archive.variables(entry.path)
            ]
            if self.after:
                variables = self.folded.float64_weights.get(entry.path, variables)
            if variables:
                store = {
                    str(number): variable for number, variable in enumerate(variables)
                }
                part.load_own_variables(store)


def _without_activation(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration without its activation, which may hide a difference."""
    if isinstance(inner := config.get("layer"), dict) and "config" in inner:
        return {
            **config,
            "layer": {**inner, "config": _without_activation(inner["config"])},
        }
    return {**config, "activation": "linear"} if "activation" in config else config


def _build(layer: Any, call: Call, inputs: list[Array]) -> None:
    """Make the layer's variables."""
    if len(inputs) == 1 and not call.node.kwargs:
        layer.build(inputs[0].shape)
        return
    args, kwargs = arguments(call, call.node, inputs)
    if call.node.kwargs:  # Only Keras knows which argument determines which shape.
        layer(*args, **kwargs)
        return
    layer.build(keras.tree.map_structure(lambda tensor: tuple(tensor.shape), args[0]))
