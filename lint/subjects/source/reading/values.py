"""The values that expressions are resolved to, and small questions about them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .nodes import Function, arguments_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .module import Module


@dataclass(frozen=True)
class Known:
    """Something from outside the project, by its canonical dotted name."""

    name: str


@dataclass(frozen=True)
class Whole:
    """A module of the project."""

    module: Module


@dataclass(frozen=True)
class Class:
    """A class of the project."""

    module: Module
    node: ast.ClassDef


@dataclass(frozen=True)
class Routine:
    """A function of the project, or a method bound to `owner`."""

    module: Module
    node: Function
    owner: Class | None = None


@dataclass(frozen=True)
class Result:
    """The result of calling `maker`: an instance, or what a function returns."""

    maker: Known | Class
    module: Module
    call: ast.Call


@dataclass(frozen=True)
class Self:
    """The instance a method is called on."""

    cls: Class


@dataclass(frozen=True)
class Literal:
    """A constant written in the source."""

    value: object
    module: Module
    node: ast.expr


@dataclass(frozen=True)
class Items:
    """A list, tuple or dict written out."""

    module: Module
    node: ast.List | ast.Tuple | ast.Set | ast.Dict | ast.Call


@dataclass(frozen=True)
class Parameter:
    """The parameter of a function, besides any values that it is seen to get."""

    module: Module
    function: Function
    name: str


@dataclass(frozen=True)
class Partial:
    """`functools.partial(function, ...)`."""

    function: Value
    module: Module
    call: ast.Call


Value = (
    Known
    | Whole
    | Class
    | Routine
    | Result
    | Self
    | Literal
    | Items
    | Parameter
    | Partial
)


def is_number(value: object) -> bool:
    """Whether a constant is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def dict_entries(value: Items) -> dict[object, ast.expr]:
    """The entries of a dict display or of `dict(name=...)` by constant key.

    And those of `dict([(key, entry), ...])` and `dict(zip([key, ...], [entry, ...]))`.
    """
    entries: dict[object, ast.expr] = {}
    if isinstance(value.node, ast.Dict | ast.Call):
        for key, entry in _pairs(value.node):
            if isinstance(key, ast.Constant):
                entries[key.value] = entry
    if isinstance(value.node, ast.Call):
        for keyword in value.node.keywords:
            if keyword.arg is not None:
                entries[keyword.arg] = keyword.value
    return entries


def _pairs(
    made: ast.Dict | ast.Call,
) -> Iterator[tuple[ast.expr | None, ast.expr]]:
    """The keys and entries that a dict is written with, but for those by name."""
    match made:
        case ast.Dict(keys=keys, values=entries):
            yield from zip(keys, entries, strict=True)
        case ast.Call(args=[*_, ast.Dict() as first]):
            yield from _pairs(first)
        case ast.Call(args=[*_, ast.List(elts=pairs) | ast.Tuple(elts=pairs)]):
            for pair in pairs:
                match pair:
                    case ast.Tuple(elts=[key, entry]) | ast.List(elts=[key, entry]):
                        yield key, entry
        case ast.Call(
            args=[
                ast.Call(
                    func=ast.Name(id="zip"),
                    args=[
                        ast.List(elts=keys) | ast.Tuple(elts=keys),
                        ast.List(elts=entries) | ast.Tuple(elts=entries),
                    ],
                )
            ]
        ):
            yield from zip(keys, entries, strict=False)


def is_self(function: Function, argument: ast.arg) -> bool:
    """Whether the argument is the one a method receives its instance through."""
    positional = [*function.args.posonlyargs, *function.args.args]
    return bool(positional) and positional[0] is argument and not is_static(function)


def is_class_method(function: Function) -> bool:
    """Whether a method receives its class."""
    return _is_decorated(function, "classmethod")


def is_static(function: Function) -> bool:
    """Whether a method of a class receives neither its instance nor its class."""
    return _is_decorated(function, "staticmethod")


def _is_decorated(function: Function, name: str) -> bool:
    return any(
        isinstance(decorator, ast.Name) and decorator.id == name
        for decorator in getattr(function, "decorator_list", [])
    )


def default_of(function: Function, name: str) -> ast.expr | None:
    """The default value of a parameter."""
    named = function.args
    positional = [*named.posonlyargs, *named.args]
    with_default = positional[len(positional) - len(named.defaults) :]
    pairs: Iterable[tuple[ast.arg, ast.expr | None]] = [
        *zip(with_default, named.defaults, strict=True),
        *zip(named.kwonlyargs, named.kw_defaults, strict=True),
    ]
    return next((default for pair, default in pairs if pair.arg == name), None)


def argument_for(
    call: ast.Call, function: Function, name: str, skipped: int
) -> ast.expr | None:
    """The expression a call passes for a parameter.

    `skipped` counts the leading parameters that the call does not write (`self`).
    """
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    written = positional_after(function, skipped)
    for parameter, argument in zip(written, call.args, strict=False):
        if isinstance(argument, ast.Starred):
            return None
        if parameter.arg == name:
            return argument
    return None


def positional_after(function: Function, skipped: int) -> list[ast.arg]:
    """The parameters by position that a call writes: a static method gets no `self`."""
    positional = [*function.args.posonlyargs, *function.args.args]
    return positional[0 if is_static(function) else skipped :]


def unpacks(call: ast.Call) -> bool:
    """Whether a call passes `*these` or `**those`, which may be anything."""
    return any(isinstance(argument, ast.Starred) for argument in call.args) or any(
        keyword.arg is None for keyword in call.keywords
    )


def parameters(function: Function) -> set[str]:
    """The names of all parameters."""
    return {argument.arg for argument in arguments_of(function)}
