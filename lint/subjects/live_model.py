"""A live Keras model as a `Model`; Keras is already loaded if there is one."""

from __future__ import annotations

import json
import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from .data_normalization import live_data_normalizations
from .graph_layers import read_layers
from .model import BatchNorm, Model, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kerasbn.graph import Graph


def is_live_model(value: object) -> bool:
    """Whether a value is a Keras model; does not load Keras to find out."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def read_live_model(model: Any, name: str | None = None) -> Model:
    """Read a model for the rules.

    Args:
        model: a Keras model: Functional, Sequential or subclassed.
        name: the user's name for it, if that was a string.
    """
    import keras

    from .probing import probe  # Loads NumPy.

    graph = _graph(model)
    in_graph = _layers_in_graph(graph)
    layers = list(layers_inside(model))
    found = [
        (layer, path, frozen)
        for layer, path, frozen in layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    can_move = {
        path: layer for layer, path, frozen in found if layer.built and not frozen
    }
    return Model(
        path=name,
        keras_version=keras.__version__,
        batch_norms=tuple(
            _batch_norm(layer, path, frozen, in_graph.get(path))
            for layer, path, frozen in found
        ),
        iterations=steps_taken(model),
        graph=graph,
        live=model,
        data_normalizations=tuple(
            live_data_normalizations((layer, path) for layer, path, _ in layers)
        ),
        probe=cache(partial(probe, model, can_move)),
    )


def _graph(model: Any) -> Graph | None:
    """Return the graph of a Functional or Sequential model."""
    from kerasbn.live import LiveModel, has_graph

    if has_graph(model):
        return LiveModel(model, open_blocks=False).graph
    try:  # A Sequential model that is not built still lists its layers.
        from kerasbn.graph import read_graph

        config = {"class_name": type(model).__name__, "config": model.get_config()}
        return read_graph(json.loads(json.dumps(config, default=str)))
    except Exception:  # A layer's own `get_config` may fail in any way.
        return None


def _layers_in_graph(graph: Graph | None) -> dict[str, BatchNorm]:
    """Return the BN layers of the graph by path."""
    if graph is None:
        return {}
    found = read_layers(graph, lambda layer: lambda: None)
    return {layer.path: layer for layer in found}


def layers_inside(model: Any) -> Iterator[tuple[Any, str, bool]]:
    """Yield every layer inside a model, at any depth, once: (layer, path, frozen)."""
    return _walk(model, "", not model.trainable, set())


def _walk(
    parent: Any, path: str, frozen: bool, seen: set[int]
) -> Iterator[tuple[Any, str, bool]]:
    for layer in parent._flatten_layers(include_self=False, recursive=False):
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        below = f"{path}/{layer.name}" if path else layer.name
        below_frozen = frozen or not layer.trainable
        yield layer, below, below_frozen
        yield from _walk(layer, below, below_frozen, seen)


def _batch_norm(
    layer: Any, path: str, frozen: bool, in_graph: BatchNorm | None
) -> BatchNorm:
    return BatchNorm(
        path=path,
        config=layer.get_config(),
        frozen=frozen,
        training_flags=in_graph.training_flags if in_graph else (),
        read_statistics=_reader(layer),
        calls=in_graph.calls if in_graph else 1,
    )


def _reader(layer: Any) -> Callable[[], Statistics | None]:
    def read() -> Statistics | None:
        from keras import ops

        if not layer.built:
            return None
        return Statistics(
            mean=ops.convert_to_numpy(layer.moving_mean),
            variance=ops.convert_to_numpy(layer.moving_variance),
            gamma=ops.convert_to_numpy(layer.gamma) if layer.scale else None,
            beta=ops.convert_to_numpy(layer.beta) if layer.center else None,
        )

    return read


def steps_taken(model: Any) -> int | None:
    """Return the number of batches a model was trained on; None without an optimizer.

    Under gradient accumulation `iterations` counts only whole rounds, and a private
    variable counts the batches.
    """
    from keras import ops

    count = getattr(_optimizer(model), "_iterations", None)
    return None if count is None else int(ops.convert_to_numpy(count))


def accumulated_batches(model: Any) -> int | None:
    """Return the number of batches whose gradients make one step; None if it is one."""
    return getattr(_optimizer(model), "gradient_accumulation_steps", None)


def _optimizer(model: Any) -> Any:
    """Return a model's optimizer: under loss scaling, the inner one, which counts."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)
