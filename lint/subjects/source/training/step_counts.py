"""Number of steps of a `fit`, where the source gives it in numbers."""

from __future__ import annotations

import ast
from math import ceil
from typing import TYPE_CHECKING

from ... import names
from ..networks.frozen import freezes
from ..reading.limits import NUMBERS_HANDED
from ..reading.signs import Sign
from ..reading.values import Known, unpacks
from ..resolving.callers import calls_elsewhere
from ..resolving.classes import keyword
from ..resolving.local_calls import calls_of
from ..resolving.numbers import length_of, number
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_FITTING = ("fit", "fit_generator")
# `**these` may be anything; the others are how Keras 1 counted.
_UNSAID = (None, "nb_epoch", "samples_per_epoch")
# Data that is made up, as in demonstrations and tests.
_MADE_UP = Sign(
    "random. | random( | zeros( | ones( | .normal( | .uniform(",
    r"\b(rand|randn|random|normal|uniform|randint|integers|zeros|ones)\(",
)
_MOMENTUM_PLACE = 2
_SETTLING = ("momentum", "zero_debias", "trainable")
# Calls that train an unknown number of steps, or continue an earlier training.
_OTHERS = ("train_on_batch", "GradientTape", "minimize", "load_weights", "load_model")


def most_steps(module: Module) -> int | None:
    """The steps of all `fit` of a module together.

    None where one is unknown, may run more than once, or is not the only training.
    """
    calls = [call for word in _FITTING for call in module.calls_by_name.get(word, ())]
    if not calls or any(word in module.calls_by_name for word in _OTHERS):
        return None
    total = 0.0
    for call in calls:
        if len(call.args) > 2 or any(
            argument.arg in _UNSAID for argument in call.keywords
        ):
            return None
        steps = _steps_per_epoch(module, call)
        given = keyword(call, "epochs")
        epochs = 1 if given is None else number(module, given)
        if steps is None or epochs is None or _is_repeated(module, call):
            return None
        total += ceil(steps) * epochs
    return ceil(total)


def default_momenta(module: Module) -> Iterator[ast.Call]:
    """Yield each construction of a BN layer of Keras that leaves its momentum at 0.99.

    Frozen layers, what wraps BN, and modules that make up their data are left out.
    """
    if freezes(module).anything or module.may_hide("BatchNormalization"):
        return
    if module.matches(_MADE_UP):
        return
    for call in module.calls_by_name.get("BatchNormalization", ()):
        if (
            any(
                isinstance(value, Known) and value.name in names.BATCH_NORM_LAYERS
                for value in values(module, call.func)
            )
            and len(call.args) < _MOMENTUM_PLACE
            and not unpacks(call)
            and not any(argument.arg in _SETTLING for argument in call.keywords)
        ):
            yield call


def _steps_per_epoch(module: Module, call: ast.Call) -> float | None:
    """The steps given in numbers, or the number of batches of data of known length."""
    given = keyword(call, "steps_per_epoch")
    if given is not None:
        return number(module, given)
    data = call.args[0] if call.args else keyword(call, "x")
    length = None if data is None else length_of(module, data)
    size = keyword(call, "batch_size")
    batch = 32 if size is None else number(module, size)
    return None if length is None or not batch or batch < 1 else length / batch


def _is_repeated(module: Module, call: ast.Call, depth: int = 0) -> bool:
    """Whether it may run more than once: in a loop, or in a function that may."""
    if any(
        hasattr(outer, "iter") or isinstance(outer, ast.While)
        for outer in module.scopes.ancestors(call)
    ):
        return True
    function = module.scopes.enclosing_function(call)
    if function is None:
        return any(hasattr(outer, "test") for outer in _tests(module, call))
    if not isinstance(function, ast.FunctionDef) or depth > NUMBERS_HANDED:
        return True
    caller = _only_caller(module, function)
    return caller is None or _is_repeated(module, caller, depth + 1)


def _tests(module: Module, call: ast.Call) -> Iterator[ast.AST]:
    """What is asked before it runs, but for `if __name__ == "__main__"`."""
    for outer in module.scopes.ancestors(call):
        if "__name__" not in ast.unparse(getattr(outer, "test", outer)):
            yield outer


def _only_caller(module: Module, function: ast.FunctionDef) -> ast.Call | None:
    """The one place that runs a function of the module, which is no method."""
    uses = [
        node
        for node in module.scopes.of(ast.Name)
        if node.id == function.name and isinstance(node.ctx, ast.Load)
    ]
    calls = calls_of(module, function)
    alone = len(uses) == len(calls) == 1 and not function.decorator_list
    if not alone or module.owner_of(function) is not None:
        return None
    return None if calls_elsewhere(module, function) else calls[0][0]
