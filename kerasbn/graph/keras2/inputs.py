"""The inputs of Sequential models, which Keras 2 writes with their first layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.graph.keras2.layers import keras_3_entry

if TYPE_CHECKING:
    from kerasbn.graph.model import Graph, Layer, Shape


def input_layer(layer: Layer, name: str, shape: Shape | None) -> list[dict[str, Any]]:
    """Return the input layer that Keras 2 adds in front of a Sequential model."""
    if shape is None:
        return []
    dtype = layer.config.get("dtype")
    config = {
        "name": f"{name}_input",
        "batch_shape": list(shape),
        "dtype": dtype if dtype in ("float64", "float16", "bfloat16") else "float32",
    }
    return [keras_3_entry("InputLayer", config)]


def input_shape(graph: Graph, first: Layer) -> Shape | None:
    """Return the shape that a Sequential model was built for, if the file has it."""
    config: Any = graph.model["config"]
    candidates = (
        first.config.get("batch_input_shape"),
        config.get("build_input_shape"),
        (graph.model.get("build_config") or {}).get("input_shape"),
    )
    shape = next((found for value in candidates if (found := shape_of(value))), None)
    if shape is None and first.graph is not None:
        taker = first.graph.producer(first.graph.inputs[0])
        inner = next(iter(first.graph.layers.values()), None)
        if taker is not None:
            return shape_of(taker.layer.config.get("batch_input_shape"))
        return None if inner is None else input_shape(first.graph, inner)
    return shape


def shape_of(value: Any) -> Shape | None:
    """Return a shape from a configuration; None if the value is not one."""
    is_shape = isinstance(value, list) and all(
        size is None or isinstance(size, int) for size in value
    )
    return tuple(value) if is_shape and value else None
