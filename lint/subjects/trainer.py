"""Keras' own trainer: how it runs a live model, whether it does, and what it adds."""

from __future__ import annotations

from inspect import signature, unwrap
from typing import Any

_STEPS = ("train_step", "compute_loss_and_updates", "make_train_function", "fit")
_GRADIENTS = {"GradientTape", "value_and_grad", "grad", "backward", "apply_gradients"}


def receives_training(model: Any) -> bool:
    """Whether `fit` and `predict` pass `training` to the model's `call`."""
    return bool(model._call_has_training_arg)


def trains_by_itself(kind: type) -> bool:
    """Whether a class of models has a training step that is not Keras' own."""
    return bool(own_step(kind))


def is_plain(kind: type) -> bool:
    """Whether nothing of a class's own is in or around Keras' training step."""
    methods = (getattr(kind, name, None) for name in _STEPS)
    return all(
        str(method.__module__).startswith("keras.")
        for method in methods
        if method is not None
    )


def own_step(kind: type) -> str:
    """Return the method by which a class trains in a way of its own; "" for none.

    One that only prepares the batch, and leaves the step to Keras', is none.
    """
    return next((name for name in _STEPS if _is_own(kind, name)), "")


def _is_own(kind: type, name: str) -> bool:
    for base in kind.__mro__:
        method = vars(base).get(name)
        if method is None:
            continue
        if str(getattr(method, "__module__", "")).startswith("keras."):
            return False
        if not _leaves_it_to_others(method, name):
            return True
    return False


def _leaves_it_to_others(method: Any, name: str) -> bool:
    """Whether a method calls the one that it replaces, and computes no gradients."""
    code = getattr(unwrap(method), "__code__", None)
    names = set(code.co_names) if code else set()
    return {"super", name} <= names and names.isdisjoint(_GRADIENTS)


def calls_by_itself(kind: type) -> bool:
    """Whether a class of models replaces Keras' `__call__`, which notes a first call.

    Such a model stays unbuilt for Keras, whatever weights it has.
    """
    return not str(kind.__call__.__module__).startswith("keras.")


def takes_training(model: Any) -> bool:
    """Whether a call of the model takes `training`, also if `fit` does not pass it."""
    if receives_training(model):
        return True
    kind = type(model)
    return calls_by_itself(kind) and "training" in signature(kind.__call__).parameters


def regularized(model: Any) -> list[Any]:
    """Return the trained weights that have a regularizer."""
    weights = model.trainable_variables
    return [weight for weight in weights if weight.regularizer is not None]


def penalty_of(model: Any) -> float:
    """Return the part of the loss that regularizes weights, whatever the data."""
    import keras

    penalties = [weight.regularizer(weight.value) for weight in regularized(model)]
    return sum(float(keras.ops.convert_to_numpy(one)) for one in penalties)
