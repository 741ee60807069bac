"""The objects that live layers hold in attributes, and that functions in them read."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import keras
from keras.src.saving.keras_saveable import KerasSaveable

from kerasbn.live.layers import batch_norms_inside, layers_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

# Attributes of the graph, of a training or of one object, which are created again.
_MADE_ANEW = frozenset(
    ("build", "quantize", "_inbound_nodes", "_outbound_nodes", "_losses", "_loss_ids")
)
TRAINING = frozenset(
    (
        *("optimizer", "loss", "compiled", "_compile_config", "_compile_loss"),
        *("_compile_metrics", "_loss_tracker", "_distribute_strategy"),
        *("train_function", "test_function", "predict_function"),
        *("_compiled_trainable_state", "_compute_loss_has_training_arg"),
    )
)
# Objects of these packages hold no layers, and their functions read none.
_PACKAGES = ("numpy", "tensorflow", "jax", "jaxlib", "torch", "builtins")
_ATOMIC = (str, bytes, int, float, complex, bool, type(None), type)


def not_copied(original: Any) -> frozenset[str]:
    """Return the attributes that are not copied."""
    return _MADE_ANEW | (TRAINING if isinstance(original, keras.Model) else set())


def held(original: Any) -> Iterator[Any]:
    """Yield the objects in attributes that need special treatment in a copy.

    Objects held by a layer that is found belong to that layer.
    """
    ours = (
        *(KerasSaveable, keras.Variable, keras.KerasTensor, keras.DTypePolicy),
        ModuleType,
    )
    pending = [v for k, v in vars(original).items() if k not in not_copied(original)]
    seen = {id(original)}
    while pending:
        value = pending.pop()
        if isinstance(value, _ATOMIC) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, ours):
            yield value
        else:
            pending += _parts(value)


def _parts(value: Any) -> list[Any]:
    """Return the objects inside an object that are copied with it."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return [*value, *getattr(value, "__dict__", {}).values()]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType) or _is_foreign(value):
        return []
    return list(getattr(value, "__dict__", {}).values())


def _is_foreign(value: Any) -> bool:
    """Whether an object is of a package that has no use for Keras' layers."""
    return type(value).__module__.split(".")[0] in _PACKAGES


def layers_read_by_functions(holder: Any) -> list[Any]:
    """Return the layers that functions in attributes read, unknown to Keras."""
    values = [v for k, v in vars(holder).items() if k not in _MADE_ANEW]
    found = [read for value in values for read in read_by_functions(value)]
    return [
        layer
        for layer in found
        if isinstance(layer, keras.Layer) and layer is not holder
    ]


def batch_norms_in_functions(model: Any) -> list[str]:
    """Return the paths of BN that only functions in layers call: `lambda/bn`."""
    seen = {id(layer) for layer, _ in layers_inside(model)}
    return [
        f"{path}/{name}"
        for holder, path in layers_inside(model)
        for read in layers_read_by_functions(holder)
        for layer, name in batch_norms_inside(read, include_self=True)
        if id(layer) not in seen
    ]


def read_by_functions(value: Any) -> list[Any]:
    """Return the layers and variables that functions in an object read."""
    found, pending, seen = [], [value], set()
    while pending:
        item = pending.pop()
        if isinstance(item, (*_ATOMIC, ModuleType)) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, FunctionType):
            read = [] if _is_of_keras(item) else list(_read_by(item))
            found += [v for v in read if isinstance(v, keras.Layer | keras.Variable)]
            pending += [v for v in read if isinstance(v, FunctionType | partial)]
        elif not isinstance(item, KerasSaveable | keras.Variable | keras.KerasTensor):
            pending += _parts(item)
    return found


def _is_of_keras(function: FunctionType) -> bool:
    return str(function.__module__).split(".")[0] in ("keras", *_PACKAGES)


def _read_by(function: FunctionType) -> Iterator[Any]:
    """Yield the objects that a function reads: closure, defaults and globals."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # Not assigned yet.
            continue
    yield from function.__defaults__ or ()
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield function.__globals__[name]
