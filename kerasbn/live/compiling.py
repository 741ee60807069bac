"""How a live model was compiled, handed on to one made from it."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from kerasbn.live.copying import Copier

_LEARNING_RATE = 0.01


def compile_for_inference(new: Any, model: Any) -> list[str]:
    """Give a model the losses and metrics of another, so that `evaluate` works.

    The optimizer's moments belong to weights that are no longer there: a plain SGD
    takes its place.

    Args:
        new: the model to compile.
        model: the other. If it is not compiled, nothing happens.

    Returns:
        A note if it cannot be compiled alike.
    """
    if not model.compiled:
        return []
    try:
        sgd = keras.optimizers.SGD(_LEARNING_RATE)
        new.compile(**{**_arguments(model), "optimizer": sgd, "auto_scale_loss": False})
    except Exception as error:  # Losses and metrics may be of the user's own.
        return [f"the folded model is not compiled: {str(error).splitlines()[0]}"]
    return []


def compile_alike(new: Any, model: Any) -> None:
    """Compile a model as another is, with the state of the optimizer.

    If that cannot be, a warning says so.
    """
    if not model.compiled:
        return
    optimizer = model.optimizer
    try:
        copy = type(optimizer).from_config(optimizer.get_config())
        new.compile(**{**_arguments(model), "optimizer": copy})
    except Exception as error:  # Losses and metrics may be of the user's own.
        warnings.warn(
            "The new model is not compiled, since what the old one was compiled with "
            f"could not be copied: {error}. Compile it.",
            stacklevel=5,
        )
        return
    if not optimizer.built:
        return
    new.optimizer.build(new.trainable_variables)
    old, now = optimizer.variables, new.optimizer.variables
    if [v.shape for v in old] != [v.shape for v in now]:
        warnings.warn(
            "The state of the optimizer was not kept: it is not one of the weights "
            f"that are trainable now. Received: {len(old)} variables for {len(now)}.",
            stacklevel=5,
        )
        return
    for source, target in zip(old, now, strict=True):
        # A shared array would be gone: JAX's `fit` gives those of its variables away.
        target.assign(keras.ops.copy(keras.ops.convert_to_tensor(source)))


def _arguments(model: Any) -> dict[str, Any]:
    """What a model was compiled with: its own functions, and copies of metrics."""
    copier = Copier()

    def copied(value: Any) -> Any:
        if not isinstance(value, keras.Metric):
            return value
        metric = copier.copied(value)
        metric.reset_state()
        return metric

    return keras.tree.map_structure(copied, dict(model._compile_config.config))
