"""The shapes of values that the configuration does not tell.

A Sequential model in a legacy file tells none. Keras' own layers can be asked, and
behind a layer that is unknown, whoever reads its output has weights of a shape.
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
    """The shapes, with the batch, of those values for which one can be found.

    Args:
        wanted: the values.
        flow: the calls of the model.
        archive: the file that it was read from.
        trust: what may be run beside Keras' own.
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
        told = next((shape for shape in shapes if shape is not None), None)
        if value not in found and told is not None:
            found[value] = told
    return found


def _ask(call: Call, found: dict[Value, Shape], trust: Trust) -> None:
    """Let a layer of Keras' say what it makes of its inputs' shapes."""
    inputs = [found.get(value) for value in call.inputs]
    if call.output in found or None in inputs or unknown_in_call(call, trust):
        return
    try:
        layer = make(call.layer, dict(call.layer.config))
        tensors: list[Any] = [keras.KerasTensor(shape, "float64") for shape in inputs]
        args, kwargs = arguments(call, call.node, tensors)
        results = keras.tree.flatten(layer(*args, **kwargs))
    except Exception:  # It is asked for no more than a shape; others may tell it.
        return
    for number, result in enumerate(results):
        value = call.output._replace(output=number)
        found.setdefault(value, tuple(result.shape))


def _by_weights(call: Call, archive: Archive) -> Shape | None:
    """The shape that a linear layer's input has, as far as its kernel tells."""
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
