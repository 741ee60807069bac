"""The phase that a call passes: none, a constant, the caller's, or another.

The one place that knows how a flag is given: by the name `training`, by `**`, or by
position. By position Keras 3 takes only tensors, so there no flag is read from it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.bindings import Binding, Kind
from ..reading.keras_versions import keras_for
from ..reading.nodes import Function, last_word, nodes_in
from ..reading.values import (
    Class,
    Result,
    Routine,
    Self,
    argument_for,
    dict_entries,
)
from .lineage import method_of
from .packed import settings_of
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

FLAG = "training"
FLAG_OF_FUNCTIONS = "is_training"  # of contrib and slim
_TENSORS = ("constant", "cast", "convert_to_tensor")


class How(Enum):
    """The kinds of phase that a call can pass."""

    NOTHING = auto()
    CONSTANT = auto()
    PASSED_ON = auto()  # a parameter of the function around it, unchanged
    SOMETHING = auto()


@dataclass(frozen=True)
class Said:
    """The phase that one call passes.

    Attributes:
        how: whether and how it says it.
        node: the argument that says it.
        flag: the constant: True, False or None.
        function: whose parameter is passed on.
        parameter: its name.
        packed: whether that is `**parameter`, which may hold no flag at all.
    """

    how: How
    node: ast.AST | None = None
    flag: bool | None = None
    function: Function | None = None
    parameter: str = ""
    packed: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether it leaves the phase to the next value that is asked."""
        return self.how is How.NOTHING

    def is_constant(self, flag: bool | None) -> bool:
        """Whether it says that constant."""
        return self.how is How.CONSTANT and self.flag is flag


_NOTHING = Said(How.NOTHING)


def says(module: Module, call: ast.Call, *, name: str = FLAG) -> Said:
    """Return what the call says about the phase, by the flag of that name."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return meaning(module, keyword, keyword.value)
    match [argument for argument in call.keywords if argument.arg is None]:
        case [packed]:
            return _unpacked(module, packed, name)
        case [packed, *_]:
            return Said(How.SOMETHING, packed)
    if last_word(call.func) == "stateless_call":
        return _NOTHING  # by position it takes variables and inputs
    if len(call.args) > 1 or any(isinstance(given, ast.Starred) for given in call.args):
        return _by_place(module, call, name)
    return _NOTHING


def passes_flag_on(call: ast.Call) -> bool:
    """Whether it is given `training=training`."""
    return any(
        isinstance(keyword.value, ast.Name) and keyword.arg == keyword.value.id == FLAG
        for keyword in call.keywords
    )


def depends_on_flag(module: Module, said: Said) -> bool:
    """Whether what is passed is worked out from a parameter `training`.

    As in `training = tf.logical_and(training, self.trainable)`.
    """
    pending = [said.node.value if isinstance(said.node, ast.keyword) else said.node]
    seen: set[ast.AST] = set()
    while pending:
        expression = pending.pop()
        if expression is None or expression in seen:
            continue
        seen.add(expression)
        for name in nodes_in(expression):
            if not isinstance(name, ast.Name):
                continue
            _, bindings = module.scopes.lookup(name) or (None, [])
            for binding in bindings:
                if binding.kind is Kind.PARAMETER and name.id == FLAG:
                    return True
                if binding.kind is Kind.VALUE:
                    pending.append(binding.node)
    return False


def says_otherwise(call: ast.Call) -> bool:
    """Whether it may pass the phase by a flag of another name."""
    return any(
        keyword.arg not in (None, FLAG) and hints.is_flag_like(str(keyword.arg))
        for keyword in call.keywords
    )


def meaning(module: Module, node: ast.AST, given: ast.expr) -> Said:
    """Return what an argument says, following its value within its function."""
    value = local_value(module, given)
    constant = _constant(value)
    if constant is not None:
        return Said(How.CONSTANT, node, constant[0])
    packed = _taken_from_options(module, node, value)
    if packed is not None:
        return packed
    if isinstance(given, ast.Name):
        match module.scopes.lookup(given):
            case _, [Binding(kind=Kind.PARAMETER, place=function)] if isinstance(
                function, Function
            ):
                return Said(How.PASSED_ON, node, function=function, parameter=given.id)
    return Said(How.SOMETHING, node)


def _taken_from_options(module: Module, node: ast.AST, value: ast.AST) -> Said | None:
    """`kwargs.get("training", False)`, which is what the caller passes, or nothing."""
    match value:
        case ast.Call(
            func=ast.Attribute(value=options, attr="get" | "pop"),
            args=[ast.Constant(value="training")]
            | [ast.Constant(value="training"), ast.Constant(value=False | None)],
        ):
            return _own_options(module, node, options)
    return None


def _own_options(module: Module, node: ast.AST, options: ast.expr) -> Said | None:
    """The `kwargs` of the function around, passed on; None if it is something else."""
    function = module.scopes.enclosing_function(options)
    own = None if function is None else function.args.kwarg
    if own is None or not isinstance(options, ast.Name) or options.id != own.arg:
        return None
    return Said(How.PASSED_ON, node, function=function, parameter=own.arg, packed=True)


def _set_before(module: Module, own: Said, name: str) -> Said | None:
    """What `kwargs.setdefault("training", True)` or an assignment says; None if none.

    A default of False is what the network takes by itself.
    """
    for node in nodes_in(own.function) if own.function is not None else ():
        match node:
            case (
                ast.Call(
                    func=ast.Attribute(value=ast.Name(id=options), attr="setdefault"),
                    args=[ast.Constant(value=key), given],
                )
                | ast.Assign(
                    targets=[
                        ast.Subscript(
                            value=ast.Name(id=options), slice=ast.Constant(value=key)
                        )
                    ],
                    value=given,
                )
            ) if options == own.parameter and key == name:
                is_default = isinstance(node, ast.Call)
                constant = _constant(given)
                if is_default and constant in ((False,), (None,)):
                    continue
                if is_default or constant is None:
                    return Said(How.SOMETHING, node)
                return Said(How.CONSTANT, node, constant[0])
    return None


def _constant(value: ast.AST | None) -> tuple[bool | None] | None:
    """The flag that a literal is, or a tensor of one, in brackets."""
    match value:
        case ast.Constant(value=0 | 1 | None as flag):
            return (None if flag is None else bool(flag),)
        case ast.Call(func=function, args=[ast.Constant(value=bool() as flag), *_]):
            return (flag,) if last_word(function) in _TENSORS else None
    return None


def local_value(module: Module, expression: ast.expr) -> ast.AST:
    """Return the expression, or a name's only value within its function."""
    if isinstance(expression, ast.Name):
        match module.scopes.lookup(expression):
            case scope, [Binding(kind=Kind.VALUE, node=node)] if (
                scope is module.scopes.scope_of(expression)
            ):
                return node
    return expression


def _unpacked(module: Module, packed: ast.keyword, name: str) -> Said:
    """`**these`, which may hold a flag; the function's own `**kwargs`."""
    own = _own_options(module, packed, packed.value)
    if own is not None:
        return _set_before(module, own, name) or own
    settings = settings_of(module, packed.value)
    if settings is not None:
        entry = dict_entries(settings).get(name)
        if entry is None:
            return _NOTHING
        constant = _constant(entry)
        if constant is not None:
            return Said(How.CONSTANT, packed, constant[0])
    return Said(How.SOMETHING, packed)


def _by_place(module: Module, call: ast.Call, name: str) -> Said:
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return Said(How.SOMETHING, call)
    signed = False
    for value in values(module, call.func):
        of_layer = isinstance(value, Self | Result)
        for function, skipped in _signatures(value):
            signed = True
            given = argument_for(call, function, name, skipped)
            if given is not None:
                return _placed(module, given, of_layer)
    second = call.args[1]
    match second:
        case _ if signed:
            return _NOTHING
        case ast.Constant(value=bool() | None):
            return _placed(module, second, last_word(call.func) != "call")
        case ast.Name() | ast.Attribute() | ast.UnaryOp() | ast.Call():
            if keras_for(module).legacy or hints.is_flag_like(ast.unparse(second)):
                return _placed(module, second, True)
    return _NOTHING


def _signatures(value: Value) -> Iterator[tuple[Function, int]]:
    """The functions of the project that a call runs, without what Python passes."""
    match value:
        case Routine(node=function, owner=owner):
            yield function, int(owner is not None)
        case Self(cls) | Result(maker=Class() as cls):
            routine = method_of(cls, "call")
            if routine is not None:
                yield routine.node, 1


def _placed(module: Module, given: ast.expr, of_layer: bool) -> Said:
    """A flag by position; Keras 3 layers fail on one, so it is not read."""
    if of_layer and not (keras_for(module).legacy or keras_for(module).assumed):
        return Said(How.SOMETHING, given)
    return meaning(module, given, given)
