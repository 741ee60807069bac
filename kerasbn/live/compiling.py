"""The compiled state of a live model, passed on to a model made from it."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from kerasbn.live.copying import Copier

_LEARNING_RATE = 0.01


def compile_for_inference(new: Any, model: Any) -> list[str]:
    """Compile a model with the losses and metrics of another, so that `evaluate` works.

    The optimizer's moments belong to weights that no longer exist: a plain SGD takes
    its place.

    Args:
        new: the model to compile.
        model: the other. If it is not compiled, nothing happens.

    Returns:
        A note if it cannot be compiled like the other.
    """
    if not model.compiled:
        return []
    try:
        sgd = keras.optimizers.SGD(_LEARNING_RATE)
        new.compile(**{**_arguments(model), "optimizer": sgd, "auto_scale_loss": False})
    except Exception as error:  # Losses and metrics may be custom code.
        return [f"the folded model is not compiled: {str(error).splitlines()[0]}"]
    return []


def compile_alike(new: Any, model: Any) -> None:
    """Compile a model like another, with the state of the optimizer.

    If that is not possible, a warning says so.
    """
    if not model.compiled:
        return
    optimizer = model.optimizer
    try:
        copy = type(optimizer).from_config(optimizer.get_config())
        new.compile(**{**_arguments(model), "optimizer": copy})
    except Exception as error:  # Losses and metrics may be custom code.
        warnings.warn(
            "The new model is not compiled, because the compile arguments of the old "
            f"one could not be copied: {error}. Compile it.",
            stacklevel=5,
        )
        return
    if not optimizer.built:
        return
    new.optimizer.build(new.trainable_variables)
    old, now = optimizer.variables, new.optimizer.variables
    if [v.shape for v in old] != [v.shape for v in now]:
        warnings.warn(
            "The state of the optimizer was not kept, because it does not match the "
            f"weights that are trainable now. Received: {len(old)} variables for "
            f"{len(now)}.",
            stacklevel=5,
        )
        return
    for source, target in zip(old, now, strict=True):
        # Copied, because JAX's `fit` donates the arrays of its variables.
        target.assign(keras.ops.copy(keras.ops.convert_to_tensor(source)))


def _arguments(model: Any) -> dict[str, Any]:
    """Return the arguments of `compile`: the same functions, and copies of metrics."""
    copier = Copier()

    def copied(value: Any) -> Any:
        if not isinstance(value, keras.Metric):
            return value
        metric = copier.copied(value)
        metric.reset_state()
        return metric

    return keras.tree.map_structure(copied, dict(model._compile_config.config))
