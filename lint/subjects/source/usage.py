"""How a module uses the instances of a class."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .classes import keras_kind, keyword
from .module import last_word
from .resolve import project_lineage, values
from .values import Class, Result, Self

if TYPE_CHECKING:
    from .module import Module
    from .values import Value

_FITTING = ("fit", "fit_generator", "train_on_batch", "compile")


@dataclass(frozen=True)
class Usage:
    """What a module does with the instances of a class.

    Attributes:
        fitted: whether one is compiled or fitted by itself.
        only_part: whether all that are made become parts of other networks.
        told: whether every call of one passes `training`, and there are some.
    """

    fitted: bool
    only_part: bool
    told: bool

    @property
    def harmless(self) -> bool:
        """Whether it is only used in ways that hand `training` on."""
        return self.only_part or self.told


def usage_of(module: Module, of: Class) -> Usage:
    """Look at every use of the class, and of its subclasses, in a module."""
    fitted = any(
        _is_instance(value, of)
        for word in _FITTING
        for call in module.calls_by_name.get(word, ())
        if isinstance(call.func, ast.Attribute)
        for value in values(module, call.func.value)
    )
    made = [call for call in module.calls if _makes(module, call, of)]
    calls = [call for call in module.calls if _calls_instance(module, call, of)]
    return Usage(
        fitted=fitted,
        only_part=bool(made) and all(_is_part(module, call) for call in made),
        told=bool(calls) and all(keyword(each, "training") for each in calls),
    )


def _is_instance(value: Value, of: Class) -> bool:
    """Whether it is an instance of the class or of a subclass."""
    match value:
        case Self(made) | Result(of=Class() as made):
            return of in project_lineage(made)
    return False


def _makes(module: Module, call: ast.Call, of: Class) -> bool:
    # Instances are made by the class's name or a subclass's: words with a capital.
    if not last_word(call.func)[:1].isupper():
        return False
    return any(
        isinstance(value, Class) and of in project_lineage(value)
        for value in values(module, call.func)
    )


def _calls_instance(module: Module, call: ast.Call, of: Class) -> bool:
    return any(_is_instance(value, of) for value in values(module, call.func))


def _is_part(module: Module, made: ast.Call) -> bool:
    """Whether a new instance goes into another network."""
    owner = module.scopes.enclosing_class(made)
    if owner is not None and keras_kind(Class(module, owner)) is not None:
        return True
    holder = module.scopes.parents.get(made)
    while isinstance(holder, ast.List | ast.Tuple | ast.ListComp):
        holder = module.scopes.parents.get(holder)
    # Net()(x), Sequential([Net()]), model.add(Net())
    return isinstance(holder, ast.Call)
