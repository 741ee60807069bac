"""Constants that an expression may be where no single call tells more."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import (
    Class,
    Items,
    Known,
    Literal,
    Parameter,
    Result,
    Routine,
    Self,
)
from .callers import calls_elsewhere
from .comparisons import Other
from .local_calls import calls_of
from .members import is_set_from_outside
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Names of objects that hold the options of a command or the settings of a file.
_OPTIONS = re.compile(
    r"(?:^|_)(?:opt|option|arg|flag|hparam|param|config|cfg|conf|setting)s?$", re.I
)


def is_option(module: Module, expression: ast.Attribute) -> bool:
    """Whether it is `options.norm`, of which a default is known and nothing else."""
    return (
        _OPTIONS.search(last_word(expression.value)) is not None
        and expression.attr in module.project.options
        and not is_set_from_outside(module, expression.attr)
    )


def is_called_here_alone(parameter: Parameter) -> bool:
    """Whether all calls in sight of its function are in its own file."""
    module, function = parameter.module, parameter.function
    return bool(calls_of(module, function)) and not calls_elsewhere(module, function)


def valued(
    module: Module, expression: ast.expr, even_passed: bool = False
) -> Iterator[object]:
    """The constants among its values.

    `even_passed` says that all that its parameters get is among them.
    """
    found = False
    for value in values(module, expression):
        if even_passed and isinstance(value, Parameter):
            continue
        found = True
        match value:
            case Literal(value=constant):
                yield constant
            case Result(maker=Class() | Known()) | Class() | Routine() | Self():
                yield Other.THING
            case Items(node=ast.List(elts=[_, *_]) | ast.Tuple(elts=[_, *_])):
                yield Other.THING
            case _:
                yield Other.UNKNOWN
    if not found:
        yield Other.UNKNOWN
