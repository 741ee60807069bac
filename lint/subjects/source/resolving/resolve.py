"""Values that an expression may have, found without running anything.

`values(module, expression)` gives every value that the expression may have as far as
the source shows; a value that cannot be known is simply missing. Names are followed
through imports, assignments, attributes, parameters, returns and `functools.partial`.

Each kind of expression has one reader. The simple ones are here; those of names,
attributes, items and calls are in `bound`, `attributes`, `items` and `results`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, TypeVar

from ..reading.arithmetic import calculated
from ..reading.limits import VALUES
from ..reading.values import Items, Literal, Parameter, Routine, Value, is_number
from .members import returns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..reading.module import Module

    Reader = Callable[[Module, Any], Iterator[Value]]
    Read = TypeVar("Read", bound=Reader)

_READERS: dict[type[ast.AST], Reader] = {}


def reads(*kinds: type[ast.expr]) -> Callable[[Read], Read]:
    """Make a function the reader of these kinds of expressions."""

    def enter(reader: Read) -> Read:
        _READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return enter


def values(module: Module, expression: ast.expr) -> tuple[Value, ...]:
    """Return every value the expression may have, as far as the source shows."""
    key = (values, expression)
    known: tuple[Value, ...] | None = module.answers.get(key)
    if known is not None:
        return known
    trail = module.project.trail
    if not trail.enter(expression):
        return ()
    reader = _READERS.get(type(expression))
    result = () if reader is None else tuple(reader(module, expression))
    if len(result) > 1:
        result = tuple(dict.fromkeys(result))[:VALUES]
    if trail.leave(expression):
        module.answers[key] = result
    return result


def returned(routine: Routine) -> Iterator[Value]:
    """Yield what a function of the project returns."""
    for expression in returns_of(routine.module, routine.node):
        yield from values(routine.module, expression)


@reads(ast.Constant)
def _constant(module: Module, expression: ast.Constant) -> Iterator[Value]:
    yield Literal(expression.value, module, expression)


@reads(ast.UnaryOp)
def _signed(module: Module, expression: ast.UnaryOp) -> Iterator[Value]:
    match expression:
        case ast.UnaryOp(
            op=ast.USub() | ast.UAdd() as sign,
            operand=ast.Constant(value=int() | float() as number),
        ):
            signed = -number if isinstance(sign, ast.USub) else number
            yield Literal(signed, module, expression)


@reads(ast.BinOp)
def _arithmetic(module: Module, expression: ast.BinOp) -> Iterator[Value]:
    """`1 - 0.9` and the like, of which constants are sometimes made."""
    sides = [values(module, side) for side in (expression.left, expression.right)]
    match expression.op, sides:
        case ast.BitOr(), [one, other] if any(
            isinstance(side, Items) for side in (*one, *other)
        ):  # one dict of two
            both = ast.Dict([None, None], [expression.left, expression.right])
            yield Items(module, ast.copy_location(both, expression))
        case operation, [(Literal(value=left),), (Literal(value=right),)]:
            if is_number(left) and is_number(right):
                assert isinstance(left, int | float)
                assert isinstance(right, int | float)
                result = calculated(operation, left, right)
                if result is not None:
                    yield Literal(result, module, expression)


@reads(ast.IfExp)
def _either(module: Module, expression: ast.IfExp) -> Iterator[Value]:
    yield from _guarded(module, expression.test, expression.body)
    yield from _guarded(module, expression.test, expression.orelse)


def _guarded(module: Module, test: ast.expr, side: ast.expr) -> Iterator[Value]:
    """Yield one side of `m if m > 0.5 else 1 - m`, which not every `m` reaches."""
    asked = isinstance(side, ast.Name) and any(
        isinstance(node, ast.Name) and node.id == side.id for node in ast.walk(test)
    )
    for value in values(module, side):
        if not (asked and isinstance(value, Literal | Parameter)):
            yield value


@reads(ast.BoolOp)
def _options(module: Module, expression: ast.BoolOp) -> Iterator[Value]:
    for option in expression.values:
        yield from values(module, option)


@reads(ast.NamedExpr, ast.Await)
def _inner(module: Module, expression: ast.NamedExpr | ast.Await) -> Iterator[Value]:
    yield from values(module, expression.value)


@reads(ast.List, ast.Tuple, ast.Set, ast.Dict)
def _collection(
    module: Module, expression: ast.List | ast.Tuple | ast.Set | ast.Dict
) -> Iterator[Value]:
    yield Items(module, expression)


@reads(ast.ListComp, ast.GeneratorExp)
def _elements(
    module: Module, expression: ast.ListComp | ast.GeneratorExp
) -> Iterator[Value]:
    yield from values(module, expression.elt)


@reads(ast.DictComp)
def _entries(module: Module, expression: ast.DictComp) -> Iterator[Value]:
    yield from values(module, expression.value)


@reads(ast.Lambda)
def _lambda(module: Module, expression: ast.Lambda) -> Iterator[Value]:
    yield Routine(module, expression)
