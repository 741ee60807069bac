"""Each place where a module gives a momentum to BN layers."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..reading.memo import found_once
from ..reading.nodes import last_word, start
from ..reading.reach import may_reach
from ..reading.values import (
    Class,
    Literal,
    Parameter,
    Partial,
    Routine,
    Value,
    argument_for,
    is_number,
    parameters,
)
from ..resolving.classes import calls_in, keyword
from ..resolving.lineage import method_of
from ..resolving.resolve import values
from ..resolving.settings import literals
from .assigned_momenta import assigned_momenta
from .batch_norms import batch_norm_name
from .momentum_arguments import (
    WORDS,
    Argument,
    given_to,
    may_say_momentum,
    momentum_arguments,
    packed_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....findings import Location
    from ..reading.module import Module


@dataclass(frozen=True)
class Momentum:
    """A momentum that reaches a BN layer.

    Attributes:
        value: the number.
        keyword: `momentum`, or `decay` in contrib and slim.
        location: where to change it.
        users: the modules that give it to their layers.
        given_by: the call, or assignment, that gives it.
        literal: the number as written in the source.
        origin: where the number comes from, if that is another line; or where it goes,
            if it has several places.
    """

    value: float
    keyword: str
    location: Location
    users: tuple[Module, ...]
    given_by: ast.AST
    literal: Literal
    origin: str = ""


@found_once
def given_momenta(module: Module) -> Iterator[Momentum]:
    """Yield the momenta that the module's calls and assignments give to BN layers."""
    mentioned = module.mentions("momentum", "decay", "BatchNorm", "batch_norm")
    if not mentioned or not may_reach(module, names.mentions_batch_norm):
        return
    for call in module.calls:
        if not may_say_momentum(call):
            continue
        for target in (call, *given_to(module, call)):
            yield from _of_call(module, call, target)
    for node in assigned_momenta(module):
        yield from _numbers(module, node, Argument(module, node.value), WORDS[0])


def _constructor(value: Value) -> Routine | None:
    """The `__init__` of a class of the project, its own or inherited there."""
    while isinstance(value, Partial):
        value = value.function
    return method_of(value, "__init__") if isinstance(value, Class) else None


def _hands_keywords_on(routine: Routine) -> str | None:
    """The BN that a function hands its `**kwargs` to, with momentum unchanged."""
    node, module = routine.node, routine.module
    packed = node.args.kwarg
    if packed is None or "momentum" in parameters(node):
        return None
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and inner.value == "momentum":
            return None  # kwargs["momentum"] = ..., kwargs.pop("momentum")
    for call in calls_in(module, node):
        handed_on = keyword(call, "momentum") is None and any(
            argument.arg is None and ast.unparse(argument.value) == packed.arg
            for argument in call.keywords
        )
        if not handed_on:
            continue
        of_base = last_word(call.func) == "__init__" and routine.owner is not None
        for value in [routine.owner] if of_base else values(module, call.func):
            if value is not None and (name := batch_norm_name(value)) is not None:
                return name
    return None


def _of_call(module: Module, call: ast.Call, target: ast.expr) -> Iterator[Momentum]:
    direct = target is call
    for value in values(module, call.func if direct else target):
        name = batch_norm_name(value)
        routine = value if isinstance(value, Routine) else _constructor(value)
        behind = _hands_keywords_on(routine) if routine is not None else None
        if behind is not None:  # The function defines what the arguments mean.
            word = _word_of(behind)
            given = keyword(call, word)
            for argument in packed_arguments(module, call, word, [given]):
                yield from _numbers(module, call, argument, word)
        elif name is not None and routine is None:
            word = _word_of(name)
            for argument in momentum_arguments(module, call, name, word, direct):
                yield from _numbers(module, call, argument, word)
        elif direct and isinstance(value, Routine | Class):
            yield from _handed_down(module, call, value)


def _word_of(name: str) -> str:
    """The name of the parameter that gives the momentum of that BN."""
    return "decay" if name in names.DECAY_FUNCTIONS else "momentum"


def _numbers(
    module: Module, given_by: ast.AST, argument: Argument, word: str
) -> Iterator[Momentum]:
    for value in literals(argument.module, argument.expression):
        if is_number(value.value):
            assert isinstance(value.value, int | float)
            shown = argument.shown or argument.expression
            place = _place(module, given_by, shown, value)
            yield Momentum(
                float(value.value),
                word,
                module.location(place),
                (module,),
                given_by,
                value,
                _origin(module, place, value),
            )


def _place(
    module: Module, given_by: ast.AST, expression: ast.expr, value: Literal
) -> ast.AST:
    """The argument to change: that of the BN layer, or of a call that passes it on."""
    if value.module is module and value.node is not expression:
        parent = module.scopes.parents.get(value.node)
        if isinstance(parent, ast.keyword):
            parent = module.scopes.parents.get(parent)
        if isinstance(parent, ast.Call) and parent is not given_by:
            return with_keyword(module, value.node)
    return with_keyword(module, expression)


def with_keyword(module: Module, expression: ast.expr) -> ast.AST:
    """The keyword argument that an expression is the value of, or the expression."""
    parent = module.scopes.parents.get(expression)
    return parent if isinstance(parent, ast.keyword) else expression


def _origin(module: Module, place: ast.AST, value: Literal) -> str:
    if isinstance(value.node, ast.Attribute):
        return "the default of that option"
    if value.module is not module:
        return f"from {value.module.path.name}, line {value.node.lineno}"
    line = module.location(value.node).line
    return "" if start(place)[0] == value.node.lineno else f"from line {line}"


def _handed_down(
    module: Module, call: ast.Call, target: Routine | Class
) -> Iterator[Momentum]:
    """Arguments named like momentum that a function of another file gives to BN."""
    routine = target
    skipped = 0
    if isinstance(target, Class):
        constructor = method_of(target, "__init__")
        if constructor is None:
            return
        routine, skipped = constructor, 1
    assert isinstance(routine, Routine)
    if routine.module is module:
        return  # seen from the BN layer itself
    skipped = skipped or int(routine.owner is not None)
    for name in parameters(routine.node):
        word = next((ending for ending in WORDS if name.endswith(ending)), None)
        given = argument_for(call, routine.node, name, skipped) if word else None
        if given is not None and word and _reaches_batch_norm(routine, name):
            yield from _numbers(module, call, Argument(module, given), word)


def _reaches_batch_norm(routine: Routine, name: str) -> bool:
    """Whether a parameter ends up as the momentum of a BN layer in its own module."""
    wanted = Parameter(routine.module, routine.node, name)
    module = routine.module
    inside = routine.node.body
    first = inside if isinstance(inside, ast.expr) else inside[0]
    if len(module.scopes.scope_of(first).bindings.get(name, ())) > 1:
        return False  # it may get another value on the way
    for call in module.calls:
        if not may_say_momentum(call):
            continue
        for target in (call, *given_to(module, call)):
            direct = target is call
            for function in values(module, call.func if direct else target):
                layer = batch_norm_name(function)
                if layer is None:
                    continue
                word = _word_of(layer)
                for argument in momentum_arguments(module, call, layer, word, direct):
                    if wanted in values(argument.module, argument.expression):
                        return True
    return False
