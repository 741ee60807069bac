"""How a function of a model's variables is run on each backend."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
# Runs `function(*arguments)`, which may call the model; no assignment lasts.
Runner = Callable[..., Any]


def ways_to_run() -> list[Runner]:
    """Those to try one after the other on this backend.

    Values are to be read, and functions that were compiled before would not call what
    took the place of a layer's `call`: so everything runs operation by operation.
    Only JAX, which compiles each operation by itself, is many times faster with the
    whole, as in `fit`; what cannot be compiled so is run the other way.
    """
    import keras

    match keras.backend.backend():
        case "tensorflow":
            return [_run_on_tensorflow]
        case "jax":
            return [_compile_on_jax, _run_on_jax]
    return [_run]


def _run(function: Function, model: Any, *arguments: Any) -> Any:
    import keras

    with keras.StatelessScope():
        return function(*arguments)


def _run_on_tensorflow(function: Function, model: Any, *arguments: Any) -> Any:
    config: Any = sys.modules["tensorflow"].config
    before = config.functions_run_eagerly()
    config.run_functions_eagerly(True)
    try:
        return _run(function, model, *arguments)
    finally:
        config.run_functions_eagerly(before)


def _compile_on_jax(function: Function, model: Any, *arguments: Any) -> Any:
    import keras

    variables = model.variables

    def stateless(values: list[Any], *arguments: Any) -> Any:
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*arguments)

    values = [variable.value for variable in variables]
    return sys.modules["jax"].jit(stateless)(values, *arguments)


def _run_on_jax(function: Function, model: Any, *arguments: Any) -> Any:
    with sys.modules["jax"].disable_jit():
        return _run(function, model, *arguments)
