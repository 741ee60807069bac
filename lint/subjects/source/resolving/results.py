"""Values that calls return."""

from __future__ import annotations

import ast
import contextlib
from typing import TYPE_CHECKING

from ..reading.nodes import moved
from ..reading.values import (
    Class,
    Items,
    Known,
    Literal,
    Partial,
    Result,
    Routine,
    Self,
    Value,
    is_number,
)
from . import named_tuples
from .attributes import attribute_of
from .dict_calls import MAKING
from .items import asked_for, constants
from .lineage import bases
from .members import DYNAMIC
from .resolve import reads, returned, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Wrappers that return their function, as far as its behaviour matters.
_SAME_FUNCTION = {
    *("tensorflow.function", "tensorflow.compat.v1.function", "jax.jit"),
    *("tensorflow.recompute_grad", "jax.checkpoint", "jax.remat", "torch.compile"),
    *("keras.remat", "jax.vmap", "jax.pmap"),
}
_PARTIAL = "functools.partial"


@reads(ast.Call)
def _call(module: Module, call: ast.Call) -> Iterator[Value]:
    yield from _got(module, call)
    yield from _gone_over(module, call)
    on = moved(call)
    if on is not None:
        yield from values(module, on)
    for function in map(_unbound, values(module, call.func)):
        match function:
            case Known(name) if name == _PARTIAL and call.args:
                for inner in values(module, call.args[0]):
                    yield Partial(inner, module, call)
            case Known(name) if name in MAKING:
                yield Items(module, call)
            case Known("getattr"):
                continue
            case Known("super"):
                yield from _super(module, call)
            case Known(name) if name in _SAME_FUNCTION and call.args:
                yield from values(module, call.args[0])
            case Result(maker=Known(name)) if name in _SAME_FUNCTION and call.args:
                yield from values(module, call.args[0])  # tf.function(...)(step)
            case Result(maker=named_tuples.FACTORY):
                yield named_tuples.made_by(function, module, call)
            case Known("typer.Option" | "typer.Argument") if call.args:
                yield from values(module, call.args[0])
            case Known("float" | "round" as name) if call.args:
                yield from _converted(module, call, name)
            case Known("list" | "tuple" | "reversed" | "enumerate") if call.args:
                yield from values(module, call.args[0])
            case Known() | Class():
                yield Result(function, module, call)
            case Routine():
                yield from returned(function)


def _converted(module: Module, call: ast.Call, by: str) -> Iterator[Value]:
    """`float("0.1")`, and `round(0.1, 2)`, which hardly changes a setting."""
    for value in values(module, call.args[0]):
        match value:
            case Literal(value=int() | float()) if is_number(value.value):
                yield value
            case Literal(value=str() as text) if by == "float":
                with contextlib.suppress(ValueError):
                    yield Literal(float(text), value.module, value.node)


def wrapped(module: Module, call: ast.Call) -> ast.expr | None:
    """What `tf.function(net)`, `partial(net, ...)` and the like wrap."""
    if call.args and any(
        isinstance(maker, Known) and maker.name in (*_SAME_FUNCTION, _PARTIAL)
        for maker in values(module, call.func)
    ):
        return call.args[0]
    return None


def _unbound(function: Value) -> Value:
    """The function or class behind `functools.partial`."""
    while isinstance(function, Partial):
        function = function.function
    return function


def _got(module: Module, call: ast.Call) -> Iterator[Value]:
    """`settings.get(key, default)`, `pop` as well, or `getattr(settings, ...)`."""
    found: list[Value] = []
    default: list[ast.expr] = []
    match call:
        case ast.Call(
            func=ast.Attribute(value=base, attr="get" | "pop"), args=[key, *default]
        ):
            for owner in values(module, base):
                if isinstance(owner, Items):
                    found += asked_for(owner, constants(module, key))
        case ast.Call(func=ast.Attribute(attr="setdefault"), args=[_, given]):
            found += values(module, given)
        case ast.Call(func=ast.Name(id="getattr"), args=[base, key, *default]):
            names_of_key = constants(module, key) or [DYNAMIC]
            for owner in values(module, base):
                if isinstance(owner, Self) or DYNAMIC not in names_of_key:
                    for name in names_of_key:
                        found += attribute_of(owner, str(name))
        case _:
            return
    yield from found
    if not found and default and isinstance(default[0], ast.Constant):
        yield from values(module, default[0])


def _gone_over(module: Module, call: ast.Call) -> Iterator[Value]:
    """`nets.values()` or `nets.items()` of a dict, as a list with any entry of it."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=held, attr="values" | "items" as way), args=[]
        ) if any(isinstance(owner, Items | Result) for owner in values(module, held)):
            entry: ast.expr = ast.Subscript(held, ast.Slice(), ast.Load())
            if way == "items":
                entry = ast.Tuple([ast.Slice(), entry], ast.Load())
            yield Items(module, ast.List([entry], ast.Load()))


def _super(module: Module, call: ast.Call) -> Iterator[Value]:
    """`super()` stands for an instance of each base class."""
    node = module.scopes.enclosing_class(call)
    if node is not None:
        for base in bases(Class(module, node)):
            yield Self(base) if isinstance(base, Class) else base
