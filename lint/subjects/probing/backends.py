"""Ways to run a function that calls a model, on each backend, without side effects."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from ..trainer import regularized

_NO_OPTIMIZATION = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}

Function = Callable[..., Any]
# Turns a function that calls the model into one after which no assignment lasts.
Way = Callable[[Function, Any], Function]


def ways_to_run() -> list[Way]:
    """Return the ways to try one after the other on this backend.

    Functions that were compiled before would not call the replacement of a layer's
    `call`, so everything runs operation by operation. Only JAX, which compiles each
    operation by itself, is many times faster with the whole, as in `fit`; a function
    that cannot be compiled is run the other way.
    """
    import keras

    match keras.backend.backend():
        case "tensorflow":
            return [_on_tensorflow]
        case "jax":
            return [_quickly_compiled_on_jax, _on_jax]
    return [_stateless]


def ways_to_run_often() -> list[Way]:
    """Return the ways for a function that is called with many batches of one shape.

    Then it pays to compile on TensorFlow, too. Functions that a model compiled itself
    would not be seen there.
    """
    import keras

    match keras.backend.backend():
        case "tensorflow":
            return [_compiled_on_tensorflow, _on_tensorflow]
        case "jax":
            return [_compiled_on_jax, _on_jax]
    return ways_to_run()


def as_trainer_runs(model: Any) -> Function:
    """Return Keras' trainer's substitute for the model: on JAX not its `__call__`.

    That returns the outputs, the new state, and the losses of layers.
    """
    import keras

    if keras.backend.backend() != "jax":
        return model

    def run(*arguments: Any, **named: Any) -> Any:
        arguments, named = keras.tree.map_structure(_as_tensor, (arguments, named))
        return model.stateless_call(
            [variable.value for variable in model.trainable_variables],
            [variable.value for variable in model.non_trainable_variables],
            *arguments,
            return_losses=True,
            **named,
        )

    return run


def _as_tensor(value: Any) -> Any:
    """Convert an array as the trainer does; flags stay as they are."""
    import keras

    is_array = isinstance(value, np.ndarray)
    return keras.ops.convert_to_tensor(value) if is_array else value


def stateless_scope(model: Any) -> Any:
    """Return a scope that keeps assignments from all variables, and has all losses.

    Those of `add_loss` are collected; regularizers see only the weights in the mapping
    of a scope, so that it needs those that they read.
    """
    import keras

    values = [(weight, weight.value) for weight in regularized(model)]
    return keras.StatelessScope(values, collect_losses=True)


def _stateless(function: Function, model: Any) -> Function:
    def run(*arguments: Any) -> Any:
        with stateless_scope(model):
            return function(*arguments)

    return run


def _on_tensorflow(function: Function, model: Any) -> Function:
    config: Any = sys.modules["tensorflow"].config
    stateless = _stateless(function, model)

    def run(*arguments: Any) -> Any:
        before = config.functions_run_eagerly()
        config.run_functions_eagerly(True)
        try:
            return stateless(*arguments)
        finally:
            config.run_functions_eagerly(before)

    return run


def _compiled_on_tensorflow(function: Function, model: Any) -> Function:
    """Compile; variables are read when it runs, so they may change between calls.

    TensorFlow counts how often one piece of code is compiled, and warns. A `partial`
    has no code of its own to be counted by.
    """
    compiled: Function = sys.modules["tensorflow"].function(
        partial(_stateless(function, model)), autograph=False
    )
    return compiled


def _quickly_compiled_on_jax(function: Function, model: Any) -> Function:
    """Compile without optimizations, which take longer than a few calls."""
    takes_options = "compiler_options" in signature(sys.modules["jax"].jit).parameters
    options = {"compiler_options": _NO_OPTIMIZATION} if takes_options else {}
    return _compiled_on_jax(function, model, **options)


def _compiled_on_jax(function: Function, model: Any, **options: Any) -> Function:
    import keras

    def with_state(values: list[Any], *arguments: Any) -> Any:
        pairs = list(zip(state_of(), values, strict=True))
        with keras.StatelessScope(pairs, collect_losses=True):
            return function(*arguments)

    def state_of() -> list[Any]:
        """Return all variables, whose number grows when metrics are first computed."""
        both = [*model.variables, *model.metrics_variables]
        return list({id(variable): variable for variable in both}.values())

    compiled = sys.modules["jax"].jit(with_state, **options)

    def run(*arguments: Any) -> Any:
        return compiled([variable.value for variable in state_of()], *arguments)

    return run


def _on_jax(function: Function, model: Any) -> Function:
    stateless = _stateless(function, model)

    def run(*arguments: Any) -> Any:
        with sys.modules["jax"].disable_jit():
            return stateless(*arguments)

    return run
