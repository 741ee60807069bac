"""How a live model was compiled, handed on to one made from it."""

from __future__ import annotations

import warnings
from typing import Any

import keras

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
        config = model.get_compile_config()
        config["optimizer"] = keras.optimizers.serialize(
            keras.optimizers.SGD(_LEARNING_RATE)
        )
        config["auto_scale_loss"] = False
        with keras.saving.custom_object_scope(custom_objects(model)):
            new.compile_from_config(config)
    except Exception as error:  # Losses and metrics may be of the user's own.
        return [f"the folded model is not compiled: {str(error).splitlines()[0]}"]
    return []


def compile_alike(new: Any, model: Any) -> None:
    """Compile a model as another is, with the state of the optimizer.

    If that cannot be, a warning says so.
    """
    if not model.compiled:
        return
    try:
        with keras.saving.custom_object_scope(custom_objects(model)):
            new.compile_from_config(model.get_compile_config())
    except Exception as error:  # Losses and metrics may be of the user's own.
        warnings.warn(
            "The new model is not compiled, since what the old one was compiled with "
            f"could not be copied: {error}. Compile it.",
            stacklevel=5,
        )
        return
    if not model.optimizer.built:
        return
    old, now = model.optimizer.variables, new.optimizer.variables
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


def custom_objects(model: Any) -> dict[str, Any]:
    """The classes and functions that a model was compiled with, by their names."""
    compiled = getattr(getattr(model, "_compile_config", None), "config", {})
    found = [
        each if callable(each) and hasattr(each, "__name__") else type(each)
        for each in keras.tree.flatten(compiled)
    ]
    return {
        keras.saving.get_registered_name(each): each
        for each in found
        if str(getattr(each, "__module__", "")).split(".")[0]
        not in ("keras", "builtins")
    }
