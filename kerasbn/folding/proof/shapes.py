"""The shapes of values that are missing from the configuration.

A Sequential model in a legacy file has none. Keras' own layers can compute them, and
after an unknown layer, the weights of the layer that reads its output imply a shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kerasbn.folding.conditions import linear_entry
from kerasbn.folding.proof.calling import arguments, make, unknown_in_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kerasbn.archive import Archive
    from kerasbn.graph import Call, Flow, Trust, Value
    from kerasbn.graph.model import Shape


def find_shapes(
    wanted: Iterable[Value], flow: Flow, archive: Archive, trust: Trust
) -> dict[Value, Shape]:
    """Return the shapes, with the batch, of those values for which one can be found.

    Args:
        wanted: the values.
        flow: the calls of the model.
        archive: the file that it was read from.
        trust: code that may be run besides Keras' own.
    """
    found: dict[Value, Shape] = dict(flow.shapes)
    missing = [value for value in wanted if value not in found]
    if missing:
        last = max(value.call for value in missing)
        for call in flow.calls[: last + 1]:
            _ask(call, found, trust)
    for value in missing:
        readers = flow.consumers[value]
        shapes = [_by_weights(call, archive) for call in readers]
        shape = next((found for found in shapes if found is not None), None)
        if value not in found and shape is not None:
            found[value] = shape
    return found


def _ask(call: Call, found: dict[Value, Shape], trust: Trust) -> None:
    """Let a Keras layer compute the shapes of its outputs."""
    inputs = [found.get(value) for value in call.inputs]
    if call.output in found or None in inputs or unknown_in_call(call, trust):
        return
    try:
        layer = make(call.layer, dict(call.layer.config))
        tensors: list[Any] = [keras.KerasTensor(shape, "float64") for shape in inputs]
        args, kwargs = arguments(call, call.node, tensors)
        results = keras.tree.flatten(layer(*args, **kwargs))
    except Exception:  # Only a shape was wanted; there may be other sources for it.
        return
    for number, result in enumerate(results):
        value = call.output._replace(output=number)
        found.setdefault(value, tuple(result.shape))


def _by_weights(call: Call, archive: Archive) -> Shape | None:
    """Return the shape of a linear layer's input, as far as its kernel implies it."""
    entry = linear_entry(call.layer)
    stored = archive.variables(entry.path) if entry is not None else ()
    if entry is None or not stored or entry is not call.layer.entry:
        return None
    kernel, kind = stored[0].shape, entry.class_name
    if kind == "Dense":
        return (None, kernel[0])
    if kind == "EinsumDense":
        return None
    channels = kernel[-1] if "Transpose" in kind else kernel[-2]
    channels *= entry.config.get("groups") or 1
    space = (None,) * (len(kernel) - 2)
    if entry.config.get("data_format") == "channels_first":
        return (None, channels, *space)
    return (None, *space, channels)
