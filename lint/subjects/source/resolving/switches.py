"""Outcomes of conditions, by what the calls and constructions in sight pass.

`Tower(8, use_bn=False)` builds and runs no batch normalization, whatever else its code
contains. A parameter has the value passed by the call that runs its function, if that
call is known, else the values that all calls in sight pass.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import FLAGS_HANDED
from ..reading.nodes import Function
from ..reading.values import (
    Items,
    Parameter,
    Self,
)
from .comparisons import Other, compared
from .conditions import conditions_around, conditions_of
from .instances import attribute_given
from .outcomes import is_called_here_alone, is_option, valued
from .passed import collected, passed_for
from .records import fields_of, is_known
from .resolve import values
from .settings import entries_of
from .spread import attribute_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.values import Value
    from .passed import Given
    from .runs import Run


def truth(module: Module, test: ast.expr, run: Run | None = None) -> bool | None:
    """Whether a condition holds, always or never; None where that is not known."""
    key = (truth, test, run and run.key)
    if key not in module.answers:
        module.answers[key] = None  # a condition that depends on itself is not known
        module.answers[key] = _all(_OutcomeSearch(run).outcomes(module, test, run, 0))
    known: bool | None = module.answers[key]
    return known


def constants_of(
    module: Module, expression: ast.expr, run: Run | None = None
) -> list[object]:
    """The constants that it may be, with `Other` for anything else."""
    return list(dict.fromkeys(_OutcomeSearch(run).outcomes(module, expression, run, 0)))


def is_dead(module: Module, node: ast.AST, run: Run | None = None) -> bool:
    """Whether conditions around it, or before it, keep it from being run."""
    return any(
        truth(module, test, run) is not wanted
        for test, wanted in conditions_of(module, node)
        if truth(module, test, run) is not None
    )


def is_certain(module: Module, node: ast.AST, run: Run | None = None) -> bool:
    """Whether all conditions around it are known to hold."""
    around = conditions_around(module, node)
    return all(truth(module, test, run) is wanted for test, wanted in around)


def _all(outcomes: Iterator[object]) -> bool | None:
    """Return the common outcome; the search ends as soon as two differ."""
    found: bool | None = None
    for outcome in outcomes:
        if outcome is Other.UNKNOWN:
            return None
        holds = outcome is Other.THING or bool(outcome)
        if found not in (None, holds):
            return None
        found = holds
    return found


# Bindings of one name whose conditions are asked for, and such questions in a row.
_ALTERNATIVES = 4
_NESTED = 2


class _OutcomeSearch:
    def __init__(self, run: Run | None, nested: int = 0) -> None:
        self._run = run
        self._nested = nested
        self._visited: set[ast.AST] = set()

    def outcomes(
        self, module: Module, expression: ast.expr, run: Run | None, depth: int
    ) -> Iterator[object]:
        if depth > 2 * FLAGS_HANDED or expression in self._visited:
            yield Other.UNKNOWN
            return
        self._visited.add(expression)
        yield from self._outcomes(module, expression, run, depth + 1)
        self._visited.discard(expression)

    def _outcomes(
        self, module: Module, expression: ast.expr, run: Run | None, depth: int
    ) -> Iterator[object]:
        match expression:
            case ast.Constant(value=value):
                yield value
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                for outcome in self.outcomes(module, operand, run, depth):
                    unknown = outcome is Other.UNKNOWN
                    yield (
                        outcome if unknown else not (outcome is Other.THING or outcome)
                    )
            case ast.BoolOp(op=op, values=parts):
                yield self._joined(module, op, parts, run, depth)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield from self._compared(module, left, op, right, run, depth)
            case ast.IfExp(test=test, body=one, orelse=other):
                chosen = _all(self.outcomes(module, test, run, depth))
                for side, wanted in ((one, True), (other, False)):
                    if chosen in (None, wanted):
                        yield from self.outcomes(module, side, run, depth)
            case ast.Name():
                yield from self._name(module, expression, run, depth)
            case ast.Attribute():
                yield from self._attribute(module, expression, run, depth)
            case ast.Call(
                func=ast.Attribute(value=base, attr="get" | "pop"),
                args=[ast.Constant(value=str() as key), *default],
            ):
                options = (base, key, default)
                yield from self._asked_for(module, expression, options, run, depth)
            case ast.Call(func=ast.Name(id="getattr"), args=[holder, _, _]):
                yield from valued(module, expression)
                if not is_known(module, holder, run):
                    yield Other.UNKNOWN
            case ast.Call(func=ast.Name(id="bool"), args=[inner]):
                yield from self.outcomes(module, inner, run, depth)
            case ast.Subscript() if entries := entries_of(module, expression, run):
                yield from self._given(entries, depth)
            case ast.Subscript(value=ast.Name() as base):
                whole = not any(
                    isinstance(value, Parameter) and not is_called_here_alone(value)
                    for value in values(module, base)
                )
                yield from valued(module, expression, even_passed=whole)
            case _:
                yield from valued(module, expression)

    def _joined(
        self,
        module: Module,
        op: ast.boolop,
        parts: list[ast.expr],
        run: Run | None,
        depth: int,
    ) -> object:
        settles = isinstance(op, ast.Or)
        found = [_all(self.outcomes(module, part, run, depth)) for part in parts]
        if settles in found:
            return settles
        return Other.UNKNOWN if None in found else not settles

    def _compared(
        self,
        module: Module,
        left: ast.expr,
        op: ast.cmpop,
        right: ast.expr,
        run: Run | None,
        depth: int,
    ) -> Iterator[object]:
        others: list[object]
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            others = [
                tuple(
                    value
                    for element in right.elts
                    for value in self.outcomes(module, element, run, depth)
                )
            ]
        else:
            others = list(self.outcomes(module, right, run, depth))
        for one in self.outcomes(module, left, run, depth):
            for other in others:
                yield compared(one, op, other)

    def _name(
        self, module: Module, name: ast.Name, run: Run | None, depth: int
    ) -> Iterator[object]:
        found = module.scopes.lookup(name)
        if found is None:
            yield Other.UNKNOWN
        for binding in found[1] if found else ():
            match binding.kind:
                case Kind.VALUE if isinstance(binding.node, ast.expr):
                    few = len(found[1]) <= _ALTERNATIVES if found else False
                    if not (few and self._is_dead(module, binding.place, run)):
                        yield from self.outcomes(module, binding.node, run, depth)
                case Kind.PARAMETER:
                    assert isinstance(binding.place, Function)
                    given = passed_for(module, binding.place, name.id, run)
                    yield from self._given(given, depth)
                case Kind.IMPORT | Kind.DEFINITION:
                    yield from valued(module, name)
                case _:
                    yield Other.UNKNOWN

    def _is_dead(self, module: Module, place: ast.AST, run: Run | None) -> bool:
        """Whether the conditions around a binding keep it from being run."""
        if self._nested >= _NESTED:
            return False
        inner = _OutcomeSearch(run, self._nested + 1)
        return any(
            _all(inner.outcomes(module, test, run, 0)) is (not wanted)
            for test, wanted in conditions_around(module, place)
        )

    def _asked_for(
        self,
        module: Module,
        call: ast.Call,
        options: tuple[ast.expr, str, list[ast.expr]],
        run: Run | None,
        depth: int,
    ) -> Iterator[object]:
        """`kwargs.pop(key, default)`, of which callers may pass the key."""
        base, key, default = options
        left_out = (module, default[0], run) if default else None
        given = collected(module, base, key, run, left_out)
        if given is None:
            yield from valued(module, call)
            if not any(_is_written_out(value) for value in values(module, base)):
                yield Other.UNKNOWN
        else:
            yield from self._given(given, depth)

    def _attribute(
        self, module: Module, expression: ast.Attribute, run: Run | None, depth: int
    ) -> Iterator[object]:
        name = expression.attr
        given = [
            one
            for owner in values(module, expression.value)
            if isinstance(owner, Self)
            for one in attribute_outcomes(
                owner.cls, name, attribute_given(owner.cls, name), run
            )
        ]
        yield from self._given(
            (one for one in given if one is None or not is_dead(one[0], one[1], run)),
            depth,
        )
        fields = None if given else fields_of(module, expression, run)
        if fields is not None:
            yield from self._given(fields, depth)
        elif not given and is_option(module, expression):
            default = module.project.options[name]
            yield Other.UNKNOWN if default is ... else default
        elif not given:
            yield from valued(module, expression)

    def _given(self, given: Iterable[Given], depth: int) -> Iterator[object]:
        for one in given:
            if one is None:
                yield Other.UNKNOWN
            else:
                yield from self.outcomes(*one, depth)


def _is_written_out(options: Value) -> bool:
    """Whether it is a dict that no other is merged into."""
    match options:
        case Items(node=ast.Dict(keys=keys)):
            return None not in keys
        case Items(node=ast.Call(args=[], keywords=keywords)):
            return all(keyword.arg is not None for keyword in keywords)
    return False
