"""The layers inside a live model, and checks of the model."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import keras

from kerasbn.live.calls import FUNCTIONAL
from kerasbn.statistics import RunningStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator


def layers_inside(parent: Any) -> Iterator[tuple[Any, str]]:
    """Yield every layer inside a layer or model, at any depth, once, with its path.

    A path is the names of the layers around it and its own: `inner/bn1`. A layer that
    is held in several places gets the path of the first and outermost one.
    """
    seen = {id(parent)}
    pending = deque([(parent, "")])
    while pending:
        holder, prefix = pending.popleft()
        for layer in holder._flatten_layers(include_self=False, recursive=False):
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer, prefix + layer.name
                pending.append((layer, f"{prefix}{layer.name}/"))


def batch_norms_inside(
    parent: Any, include_self: bool = False
) -> list[tuple[Any, str]]:
    """Return every BN layer inside a layer or model, of any class, with its path."""
    itself = [(parent, str(parent.name))] if include_self else []
    return [
        (layer, path)
        for layer, path in (*itself, *layers_inside(parent))
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def running_statistics(layer: Any) -> RunningStatistics:
    """Return the running statistics of a built BN layer, kerasbn's or stock."""
    return RunningStatistics.from_layer(layer)


def is_own(layer: Any) -> bool:
    """Whether the class of a layer is neither Keras' nor kerasbn's."""
    return type(layer).__module__.split(".")[0] not in ("keras", "kerasbn")


def check_model(model: Any) -> None:
    """Check that a value is a Keras model.

    Raises:
        TypeError: if it is not.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            "A Keras model is required. Received: an object of type "
            f"{type(model).__name__}. Load a file with keras.models.load_model."
        )


def check_built(model: Any) -> None:
    """Check that a model has its weights.

    Raises:
        ValueError: if it does not.
    """
    graph = isinstance(model, (FUNCTIONAL, keras.Sequential))
    if not model.built or (graph and not model.outputs):
        raise ValueError(
            "The model has no weights yet. Received: "
            f"{type(model).__name__} {model.name!r}, not built. Add an Input, or "
            "build or load it first."
        )


def is_being_trained(model: Any) -> bool:
    """Whether a model was trained since it was compiled.

    Keras then keeps using the variables, and the code, that it found at first.
    """
    if not model.compiled:
        return False
    built = getattr(model.optimizer, "built", False)
    return bool(built) or getattr(model, "train_function", None) is not None
