"""Networks that are passed to a function or class of another file, which fits them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Class, Result, Routine, Self
from ..resolving.callers import handed_in
from ..resolving.lineage import project_lineage
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

FITTING = ("fit", "fit_generator", "train_on_batch")


def is_instance(value: Value, cls: Class) -> bool:
    """Whether it is an instance of the class or of a subclass."""
    match value:
        case Self(made) | Result(maker=Class() as made):
            return cls in project_lineage(made)
    return False


def is_fitted_by_receiver(module: Module, cls: Class) -> bool:
    """Whether the module passes an instance to what fits it, in another file."""
    return any(
        _fits(receiver, cls)
        for receiver in dict.fromkeys(_receivers(module))
        if receiver is not module
    )


def _receivers(module: Module) -> Iterator[Module]:
    """The modules of the functions and classes that the module calls."""
    for call in module.calls:
        if call.args or call.keywords:
            for value in values(module, call.func):
                if isinstance(value, Routine | Class) and value.module is not module:
                    yield value.module


def _fits(module: Module, cls: Class) -> bool:
    return any(
        is_instance(value, cls)
        for word in FITTING
        for call in module.calls_by_name.get(word, ())
        if isinstance(call.func, ast.Attribute)
        for given in handed_in(module, call.func.value)
        for value in values(*given)
    )
