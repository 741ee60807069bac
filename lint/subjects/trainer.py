"""Keras' own trainer: how it runs a live model, whether it does, and what it adds."""

from __future__ import annotations

from typing import Any

_STEPS = ("train_step", "compute_loss_and_updates", "make_train_function", "fit")


def receives_training(model: Any) -> bool:
    """Whether `fit` and `predict` pass `training` to the model's `call`."""
    return bool(model._call_has_training_arg)


def trains_by_itself(kind: type) -> bool:
    """Whether a class of models has a training step that is not Keras' own."""
    methods = (getattr(kind, name, None) for name in _STEPS)
    modules = [str(method.__module__) for method in methods if method is not None]
    return not all(module.startswith("keras.") for module in modules)


def regularized(model: Any) -> list[Any]:
    """Return the trained weights that have a regularizer."""
    weights = model.trainable_variables
    return [weight for weight in weights if weight.regularizer is not None]


def penalty_of(model: Any) -> float:
    """Return the part of the loss that regularizes weights, whatever the data."""
    import keras

    penalties = [weight.regularizer(weight.value) for weight in regularized(model)]
    return sum(float(keras.ops.convert_to_numpy(one)) for one in penalties)
