"""Subclassed models and blocks as Functional graphs, where their code allows it.

A model's `call` is run once with symbolic tensors. Each layer that it calls then notes
the call, as in a Functional model. Blocks of the user's own that hold BN are run
through likewise; other layers of theirs stay as they are.
"""

from __future__ import annotations

import inspect
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.folding.proof.float64 import relative_difference
from kerasbn.folding.proof.inputs import random_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

# The traced model runs the same operations, so all but rounding must be the same.
_TOLERANCE = 1e-5
_SEED = 1502_03167


class CannotTraceError(Exception):
    """Why a model's code cannot be run with symbolic tensors."""


@contextmanager
def traced(model: Any) -> Iterator[Any]:
    """A Functional model of the same layers that computes what `model` does.

    Within the context layers of equal names, which a Functional model may not have,
    have others; afterwards everything is as it was.

    Args:
        model: a `keras.Model` that has been built or called.

    Raises:
        CannotTraceError: if its code does not run with symbolic tensors, or does
            something else with them.
    """
    blocks = _blocks(model)
    inputs = _symbolic_inputs(model)
    with ExitStack() as names:
        _rename_apart(model, blocks, names)
        try:
            with ExitStack() as calls:
                _open(blocks, calls)
                outputs = model.call(inputs, **_at_inference(model))
            functional = keras.Model(inputs, outputs, name=model.name)
        except Exception as error:
            # It is the user's own code, and may do anything.
            raise CannotTraceError(
                f"its call does not run with symbolic tensors: {_first_line(error)}"
            ) from error
        _check_same(model, functional)
        if model.compiled:
            functional.compile_from_config(model.get_compile_config())
        yield functional


def holds_batch_norm(layer: Any) -> bool:
    """Whether BN is inside a layer of the user's own, where no graph shows it."""
    return _is_custom(layer) and any(
        isinstance(inner, keras.layers.BatchNormalization)
        for inner in layer._flatten_layers(include_self=False)
    )


def _is_custom(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] not in ("keras", "kerasbn")


def _blocks(model: Any) -> list[Any]:
    """The blocks below `model` that can be run through: those without own weights."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if holds_batch_norm(layer)
        and not (layer._trainable_variables or layer._non_trainable_variables)
        and "mask" not in inspect.signature(layer.call).parameters
    ]


def _open(blocks: list[Any], restoring: ExitStack) -> None:
    """Let a call of these blocks run their code instead of noting one call."""
    opened = {id(block) for block in blocks}
    for cls in {type(block) for block in blocks}:
        usual = cls.__call__
        own = cls.__dict__.get("__call__")

        def through(self: Any, *args: Any, _usual: Any = usual, **kwargs: Any) -> Any:
            if id(self) not in opened:
                return _usual(self, *args, **kwargs)
            return self.call(*args, **{**_at_inference(self), **kwargs})

        cls.__call__ = through
        if own is None:
            restoring.callback(delattr, cls, "__call__")
        else:
            restoring.callback(setattr, cls, "__call__", own)


def _rename_apart(model: Any, blocks: list[Any], restoring: ExitStack) -> None:
    """Give layers that share a name those of their blocks before it."""
    holders = [model, *blocks]
    held = {
        id(layer): (layer, holder)
        for holder in holders
        for layer in holder._flatten_layers(include_self=False, recursive=False)
    }
    counts = Counter(layer.name for layer, _ in held.values())
    taken = set(counts)
    for layer, holder in held.values():
        if counts[layer.name] == 1:
            continue
        stem = name = f"{holder.name}_{layer.name}"
        number = 0
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        restoring.callback(partial(setattr, layer, "name", layer.name))
        layer.name = name


def _symbolic_inputs(model: Any) -> Any:
    """Symbolic tensors of the shapes with which a model was built."""
    if getattr(model, "inputs", None):  # It tells its inputs itself.
        return keras.tree.map_structure(
            lambda tensor: keras.Input(
                batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name
            ),
            model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
        )
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    if len(shapes) != 1:
        raise CannotTraceError("the shapes of its inputs are not known")
    return _inputs_of(next(iter(shapes.values())), None)


def _inputs_of(shape: Any, name: str | None) -> Any:
    if isinstance(shape, dict):
        return {key: _inputs_of(inner, key) for key, inner in shape.items()}
    if isinstance(shape, list | tuple) and any(
        isinstance(inner, list | tuple | dict) for inner in shape
    ):
        return type(shape)(_inputs_of(inner, None) for inner in shape)
    return keras.Input(tuple(shape)[1:], name=name)


def _at_inference(layer: Any) -> dict[str, bool]:
    parameters = inspect.signature(layer.call).parameters
    return {"training": False} if "training" in parameters else {}


def _check_same(model: Any, functional: Any) -> None:
    """Compare the outputs for random inputs, in the model's own precision."""
    inputs = random_inputs(functional, np.random.default_rng(_SEED))
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    expected, received = (
        keras.tree.map_structure(keras.ops.convert_to_numpy, each)
        for each in (model(tensors, **_at_inference(model)), functional(tensors))
    )
    difference = relative_difference(expected, received)
    if not difference <= _TOLERANCE:
        raise CannotTraceError(
            "its call does something else with symbolic tensors: relative difference "
            f"{difference:.1e}"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).rpartition("Exception encountered: ")[2].strip().splitlines()
    return lines[0] if lines else type(error).__name__
