"""Exchange of stock batch normalization for kerasbn's in a live model, and back.

The model is copied with everything its layers hold, and each layer of one class is
replaced by one of the other, with the same weights under the same names.
"""

from __future__ import annotations

import inspect
import json
import math
import warnings
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasbn import live
from kerasbn.choosing import chosen
from kerasbn.layer import BatchNormalization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kerasbn.choosing import Chosen, Found

    Entry = dict[str, Any]

_FLOAT16_MAX = 65504
_STOCK = keras.layers.BatchNormalization
# Arguments that decide which weights a layer has, or that belong to the one layer.
_NO_OPTIONS = frozenset(
    ("self", "axis", "center", "scale", "renorm", "name", "dtype", "trainable")
)


def upgrade(model: Any, *, layers: Chosen = None, **options: Any) -> Any:
    """Replace Keras' batch normalization by `kerasbn.BatchNormalization` in a copy.

    `model` itself is not changed. The new model has the same layers, names, options,
    weights and outputs, and shared layers stay shared. It is compiled as `model` is,
    with the state of the optimizer; metrics start afresh.

    All layers are included, at any depth: those of nested models, of wrappers and of
    custom layers. A custom layer whose code creates its batch normalization creates
    the stock layer again when the model is loaded from a file; a warning names it.
    Subclasses of batch normalization are left as they are.

    Args:
        model: A built `keras.Model`. A Functional one of a class of your own comes
            back as a plain `keras.Model`, without its methods.
        layers: Which layers: a pattern such as `"backbone/*"` that matches their paths
            (the names of the models and layers around them and their own), a list of
            patterns, or a function that takes a layer and returns a bool; `None` for
            all.
        **options: Arguments of `kerasbn.BatchNormalization` for the new layers, such as
            `synchronized=True`, `momentum=0.9` or `zero_debias=True`. Layers of the
            model that are already kerasbn's get them, too. With `zero_debias`,
            statistics that have moved count as complete.

    Returns:
        A new model. A warning says if it cannot be compiled, or its optimizer cannot be
        given the state.

    Raises:
        TypeError: If `model` is not a Keras model, or an option does not exist.
        ValueError: If `model` is not built, an option has an invalid value, or `layers`
            selects none of its layers.

    Example:
    >>> model = kerasbn.upgrade(keras.applications.MobileNetV2())
    >>> model = kerasbn.upgrade(model, synchronized=True, momentum=0.9)
    """
    _check_options(options)
    old = (_STOCK, BatchNormalization) if options else (_STOCK,)
    found = _found(model, old, layers)

    def config(layer: Any) -> Entry:
        return {**live.constructor_arguments(layer), **options}

    return _exchanged(model, found, BatchNormalization, config)


def downgrade(model: Any, *, layers: Chosen = None) -> Any:
    """Replace kerasbn's batch normalization by Keras' own in a copy.

    The reverse of `upgrade`; the result does not need kerasbn. The statistics of
    `zero_debias` layers are already free of their initial values and are kept; only
    the weight they have collected is lost, so that in further training they count as
    complete. A warning names these layers.

    Args:
        model: As for `upgrade`.
        layers: As for `upgrade`.

    Returns:
        As for `upgrade`.

    Raises:
        TypeError: As for `upgrade`.
        ValueError: As for `upgrade`; also if layers use what stock does not have:
            several axes, `momentum=None`, `virtual_batch_size`, or `synchronized` on a
            backend other than TensorFlow; or if their statistics exceed the range of
            the dtype in which stock keeps them, the layer's variable dtype (possibly
            float16). The message names each layer.
    """
    found = _found(model, (BatchNormalization,), layers)
    _check_fits_stock([(path, layer.get_config()) for layer, path in found])
    _check_range(found)

    def config(layer: Any) -> Entry:
        arguments = live.constructor_arguments(layer)
        arguments.pop("zero_debias", None)
        arguments.pop("virtual_batch_size", None)
        return arguments

    return _exchanged(model, found, _STOCK, config)


def _exchanged(
    model: Any, found: Found, new: Any, config: Callable[[Any], Entry]
) -> Any:
    """A copy of the model with layers of another class for some of its own."""
    copier = live.PlainCopier(model)
    for layer, _ in found:
        copier.replace(layer, _other(layer, new, config(layer)))
    copy = copier.copied(model)
    _warn_of_shared(copier.shared)
    _warn_of_makers(model, found, new)
    live.check_runs(copy, model)
    live.compile_alike(copy, model)
    return copy


def _other(layer: Any, cls: Any, config: Entry) -> Any:
    """A layer of another class with the weights of a BN layer."""
    new = cls(**config)
    if layer.built:
        live.build_like(new, layer)
        _hand_over(layer, new)
    return new


def _hand_over(layer: Any, new: Any) -> None:
    """Copy the weights of a BN layer, and of layers inside it, to another."""
    inner = {path: held for held, path in live.layers_inside(layer)}
    new.load_own_variables(_stored(layer))
    for held, path in live.layers_inside(new):
        held.load_own_variables(_stored(inner[path]) if path in inner else {})


def _stored(layer: Any) -> dict[str, Any]:
    """A layer's variables, copied: JAX donates shared arrays, which deletes them."""
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    return {key: np.array(ops.convert_to_numpy(value)) for key, value in store.items()}


def _found(model: Any, classes: tuple[Any, ...], layers: Chosen) -> Found:
    """The selected layers of exactly these classes, each with its path."""
    live.check_model(model)
    if not model.built and live.is_own(model):
        raise TypeError(
            "A subclassed model creates its layers in its own code when it is called. "
            f"Received: {type(model).__name__}, not built. Call it on a batch first; "
            "or use the other BatchNormalization in its code, and transfer the weights "
            "with save_weights and load_weights: both layers read the same files."
        )
    live.check_built(model)
    every = [
        (layer, path)
        for layer, path in live.layers_inside(model)
        if type(layer) in classes
    ]
    return chosen(every, layers)


def _check_options(options: Iterable[str]) -> None:
    parameters = inspect.signature(BatchNormalization.__init__).parameters
    known = [name for name in parameters if name not in (*_NO_OPTIONS, "kwargs")]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(
            "`upgrade` accepts the options of kerasbn.BatchNormalization that do not "
            f"change its weights. Received: {', '.join(unknown)}. Supported: "
            f"{', '.join(known)}."
        )


def _warn_of_shared(shared: dict[str, list[str]]) -> None:
    if shared:
        names = "; ".join(f"{name}: {', '.join(a)}" for name, a in shared.items())
        warnings.warn(
            "Some attributes of layers cannot be copied: the new model shares them "
            f"with the old one. Received: {names}.",
            stacklevel=4,
        )


def _warn_of_makers(model: Any, found: Found, new: Any) -> None:
    """Warn of layers whose own code creates the other class again."""
    exchanged = {id(layer) for layer, _ in found}
    makers = [
        layer
        for layer in [model, *(layer for layer, _ in live.layers_inside(model))]
        if live.is_own(layer) and not live.computes_its_graph(layer)
        if any(id(child) in exchanged for child in _children(layer))
    ]
    silent = [maker.name for maker in makers if not _mentions(maker, exchanged)]
    if silent:
        warnings.warn(
            f"The code of {silent} creates its batch normalization itself. A model "
            f"loaded from a file will contain what that code creates, not "
            f"{new.__module__}'s layers: change the code, too.",
            stacklevel=4,
        )


def _children(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _mentions(layer: Any, exchanged: set[int]) -> bool:
    """Whether a layer's configuration contains the batch normalization in it."""
    try:
        text = json.dumps(keras.saving.serialize_keras_object(layer), default=str)
    except Exception:  # It is the user's own code.
        return False
    return all(
        f'"name": "{child.name}"' in text
        for child in _children(layer)
        if id(child) in exchanged
    )


def _check_fits_stock(configs: list[tuple[str, Entry]]) -> None:
    reasons = [(path, _why_not_stock(config)) for path, config in configs]
    lines = [f"  {path}: {reason}" for path, reason in reasons if reason]
    if lines:
        raise ValueError(
            "keras.layers.BatchNormalization does not support these layers' options. "
            "Received:\n" + "\n".join(lines)
        )
    debiased = [path for path, c in configs if c.pop("zero_debias", False)]
    if debiased:
        warnings.warn(
            "keras.layers.BatchNormalization has no zero_debias: the statistics are "
            "kept, and count as complete if training goes on. The weight that they "
            f"have collected is lost in {debiased}.",
            stacklevel=4,
        )


def _why_not_stock(config: Entry) -> str | None:
    if not isinstance(config["axis"], int):
        return f"axis={config['axis']}; stock supports one axis. Keep this layer."
    if config["momentum"] is None:
        return "momentum=None; set a number as the layer's momentum first."
    if (size := config.get("virtual_batch_size")) is not None:
        return f"virtual_batch_size={size}; stock has none. Set it to None first."
    if config["synchronized"] and keras.backend.backend() != "tensorflow":
        return "synchronized=True; stock has it on TensorFlow only. Set it to False."
    return None


def _check_range(found: Iterable[tuple[Any, str]]) -> None:
    lines = [
        f"  {path}: dtype {layer.variable_dtype}, statistics up to {largest:.3g}"
        for layer, path in found
        if layer.built and layer.variable_dtype == "float16"
        if _FLOAT16_MAX < (largest := _largest_statistic(layer)) < math.inf
    ]
    if lines:
        raise ValueError(
            "keras.layers.BatchNormalization keeps its statistics in the dtype of its "
            "variables, in which these would be infinite. Received:\n"
            + "\n".join(lines)
            + "\nGive these layers the dtype policy mixed_float16 first."
        )


def _largest_statistic(layer: Any) -> float:
    return max(
        float(np.abs(keras.ops.convert_to_numpy(variable)).max(initial=0.0))
        for variable in layer.non_trainable_variables
    )
