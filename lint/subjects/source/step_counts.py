"""How many steps a `fit` takes, where the source says it in plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .classes import keyword
from .resolve import values
from .values import Literal, is_number

if TYPE_CHECKING:
    import ast

    from .module import Module

_FITTING = ("fit", "fit_generator")
# What trains without telling, or goes on with what was trained before.
_OTHERS = ("train_on_batch", "GradientTape", "minimize", "load_weights", "load_model")


def most_steps(module: Module) -> int | None:
    """The steps of all `fit` of a module together.

    None where one does not tell, may run more than once, or is not the only training.
    """
    calls = [call for word in _FITTING for call in module.calls_by_name.get(word, ())]
    if not calls or any(word in module.calls_by_name for word in _OTHERS):
        return None
    total = 0
    for call in calls:
        steps = _number(module, keyword(call, "steps_per_epoch"))
        given = keyword(call, "epochs")
        epochs = 1 if given is None else _number(module, given)
        if steps is None or epochs is None or _is_repeated(module, call):
            return None
        total += steps * epochs
    return total


def _number(module: Module, expression: ast.expr | None) -> int | None:
    """The number that an expression surely is."""
    found = () if expression is None else values(module, expression)
    match found:
        case (Literal(value=int() as number),) if is_number(number):
            return number
    return None


def _is_repeated(module: Module, call: ast.Call) -> bool:
    """Whether it may run more than once: in a loop, or in a function."""
    return module.scopes.enclosing_function(call) is not None or any(
        hasattr(outer, "iter") or hasattr(outer, "test")
        for outer in module.scopes.ancestors(call)
    )
