"""Layers directly before a BN layer, in source."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ... import names
from ..reading.bindings import Binding, Kind
from ..reading.limits import FLAGS_HANDED
from ..reading.reach import may_reach
from ..reading.values import Known, Literal, Partial, Result, Routine, unpacks
from ..resolving.classes import calls_in
from ..resolving.members import returns_of
from ..resolving.resolve import values
from .lists import applied_lists, names_applied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_LAYERS = "keras.layers."
_BOUND = re.compile(r"\bpartial\(\s*[\w.]*BatchNormalization\b")
# Positional arguments, after those that may not be constants.
_POSITIONAL = {
    "BatchNormalization": ("axis", "momentum", "epsilon"),
    "Dense": ("units", "activation", "use_bias"),
    "Dropout": ("rate",),
}
_Adding = tuple[str, ast.expr]  # to what, and what
_CONVOLUTION = ("filters", "kernel_size", "strides", "padding", "data_format")


@dataclass(frozen=True)
class Before:
    """The calls that build a BN layer and the layer of Keras before it.

    Attributes:
        batch_norm: the construction of BN.
        layer: the construction of the layer before.
        kind: that layer's class.
        alone: whether nothing else reads what is between them.
    """

    batch_norm: ast.Call
    layer: ast.Call
    kind: str
    alone: bool


def layers_before(module: Module) -> Iterator[Before]:
    """Yield the pairs in the module, each once."""
    if not (module.mentions("BatchNorm") or binds_arguments(module)):
        return
    seen = set()
    found_ones = (*_applied(module), *_listed(module), *_added(module))
    for found in (*found_ones, *_through_helpers(module)):
        pair = (found.batch_norm, found.layer)
        if pair not in seen:
            seen.add(pair)
            yield found


def arguments(module: Module, made: ast.Call, kind: str) -> dict[str, Any] | None:
    """The constant arguments of a construction; None where any may be hidden.

    Arguments that are not constants are given as `ast.expr`.
    """
    bound = _bound(module, made)
    placed: list[Any] = []
    named: dict[str, Any] = {}
    for where, call, skipped in (*bound, (module, made, 0)):
        if unpacks(call):
            return None
        placed += [_constant(where, one) for one in call.args[skipped:]]
        named |= {
            one.arg: _constant(where, one.value) for one in call.keywords if one.arg
        }
    order = _POSITIONAL.get(kind, _CONVOLUTION)
    if len(placed) > len(order):
        return None
    return dict(zip(order, placed, strict=False)) | named


def _bound(module: Module, made: ast.Call) -> list[tuple[Module, ast.Call, int]]:
    """The calls of `functools.partial` that gave arguments before, the first first."""
    found: list[tuple[Module, ast.Call, int]] = []
    maker = next(iter(values(module, made.func)), None)
    while isinstance(maker, Partial):
        found.insert(0, (maker.module, maker.call, 1))
        maker = maker.function
    return found


def binds_arguments(module: Module) -> bool:
    """Whether it or a file that it imports may bind arguments of BN by `partial`."""
    return may_reach(module, _binds_arguments)


def _binds_arguments(text: str) -> bool:
    return "partial" in text and _BOUND.search(text) is not None


def library_classes(module: Module, expression: ast.expr) -> Iterator[str]:
    """The library's classes that an expression may be an object of."""
    for value in values(module, expression):
        if isinstance(value, Result) and isinstance(value.maker, Known):
            yield value.maker.name


def _constant(module: Module, expression: ast.expr) -> Any:
    found = values(module, expression)
    if len(found) == 1 and isinstance(found[0], Literal):
        return found[0].value
    return expression


def _layer(module: Module, expression: ast.expr) -> tuple[str, ast.Call] | None:
    """The class and construction of the one Keras layer that an expression is."""
    found = values(module, expression)
    if len(found) == 1 and isinstance(found[0], Result):
        made = found[0]
        if isinstance(made.maker, Known) and made.module is module:
            if made.maker.name in names.BATCH_NORM_LAYERS:
                return "BatchNormalization", made.call
            if made.maker.name.startswith(_LAYERS):
                return made.maker.name.removeprefix(_LAYERS), made.call
    return None


def _pair(
    module: Module, before: ast.expr, after: ast.expr, alone: bool
) -> Iterator[Before]:
    batch_norm = _layer(module, after)
    if batch_norm is None or batch_norm[0] != "BatchNormalization":
        return
    layer = _layer(module, before)
    if layer is not None:
        yield Before(batch_norm[1], layer[1], layer[0], alone)


def _applied(module: Module) -> Iterator[Before]:
    """The pairs in `bn(conv(x))`, also through a variable."""
    reads: dict[ast.AST, int] | None = None
    for call in module.calls:
        match call.args:
            case [ast.Call() as inner]:
                yield from _pair(module, inner.func, call.func, True)
            case [ast.Name() as name]:
                found = module.scopes.lookup(name)
                match found[1] if found else ():
                    case [made] if made.kind is Kind.VALUE and isinstance(
                        made.node, ast.Call
                    ):
                        for pair in _pair(module, made.node.func, call.func, False):
                            reads = _reads(module) if reads is None else reads
                            yield replace(pair, alone=reads.get(made.node) == 1)


def _through_helpers(module: Module) -> Iterator[Before]:
    """The pairs in `norm(conv(x))` where functions of the module apply the layers."""
    defined = {function.name for function in module.scopes.of(ast.FunctionDef)}
    for call in module.calls:
        before = _made_by(module, call.args[0]) if call.args else None
        if before is None or defined.isdisjoint(map(_name_of, (call, before))):
            continue
        after, last = _applies_first(module, call), _applies_last(module, before)
        if after is not None and last is not None:
            yield from _pair(module, last.func, after, False)


def _name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _made_by(module: Module, tensor: ast.expr) -> ast.Call | None:
    """The one call that a tensor comes from, also through a variable."""
    if isinstance(tensor, ast.Name):
        found = module.scopes.lookup(tensor)
        match found[1] if found else ():
            case [Binding(kind=Kind.VALUE, node=ast.Call() as made)]:
                return made
    return tensor if isinstance(tensor, ast.Call) else None


def _applies_first(module: Module, call: ast.Call, depth: int = 0) -> ast.expr | None:
    """The layer that a call applies to its first argument before all others."""
    helper = _helper(module, call)
    if helper is None or depth > FLAGS_HANDED:
        return call.func
    given = helper.args.args[:1]
    users = [
        inner
        for inner in calls_in(module, helper)
        if given
        and any(
            isinstance(tensor, ast.Name) and _is_parameter(module, tensor, given[0])
            for tensor in inner.args[:1]
        )
    ]
    return _applies_first(module, users[0], depth + 1) if len(users) == 1 else None


def _applies_last(module: Module, call: ast.Call, depth: int = 0) -> ast.Call | None:
    """The call of the layer whose output a call returns."""
    helper = _helper(module, call)
    if helper is None or depth > FLAGS_HANDED:
        return call
    returned = returns_of(module, helper)
    made = _made_by(module, returned[0]) if len(returned) == 1 else None
    return None if made is None else _applies_last(module, made, depth + 1)


def _helper(module: Module, call: ast.Call) -> Function | None:
    """The one function of the module that a call runs."""
    match values(module, call.func):
        case (Routine(module=where, node=node, owner=None),) if where is module:
            return node
    return None


def _is_parameter(module: Module, name: ast.Name, argument: ast.arg) -> bool:
    found = module.scopes.lookup(name)
    match found[1] if found else ():
        case [Binding(kind=Kind.PARAMETER, node=node)]:
            return node is argument
    return False


def _reads(module: Module) -> dict[ast.AST, int]:
    """Count how often the value of each variable may be read."""
    found: dict[ast.AST, int] = {}
    for node in module.scopes.of(ast.Name):
        if isinstance(node.ctx, ast.Load):
            seen = module.scopes.lookup(node)
            for binding in seen[1] if seen else ():
                if binding.kind is Kind.VALUE:
                    found[binding.node] = found.get(binding.node, 0) + 1
    return found


def _listed(module: Module) -> Iterator[Before]:
    """`Sequential([conv, bn])`, and lists that become one, or that a loop goes over."""
    for call in module.calls_by_name.get("Sequential", ()):
        match call.args:
            case [ast.List(elts=layers), *_]:
                for before, after in pairwise(layers):
                    yield from _pair(module, before, after, True)
    for made in applied_lists(module):
        for before, after in pairwise(made.elts):
            if isinstance(before, ast.Call) and isinstance(after, ast.Call):
                yield from _pair(module, before, after, False)


def _added(module: Module) -> Iterator[Before]:
    """`model.add(conv)` and then `model.add(bn)`; also `layers.append`."""
    for first, second in _neighbours(module, "add"):
        yield from _pair(module, first[1], second[1], True)
    for first, second in _neighbours(module, "append"):
        if first[0] in names_applied(module):
            yield from _pair(module, first[1], second[1], False)


def _neighbours(module: Module, word: str) -> Iterator[tuple[_Adding, _Adding]]:
    """What statements next to each other add to the same thing by that method."""
    parents = module.scopes.parents
    adding = (parents[call] for call in module.calls_by_name.get(word, ()))
    for node in dict.fromkeys(map(parents.get, adding)):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for first, second in pairwise(body):
                before, after = _adds(first, word), _adds(second, word)
                if before and after and before[0] == after[0]:
                    yield before, after


def _adds(statement: ast.AST, word: str) -> _Adding | None:
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(
                    value=ast.Name() | ast.Attribute() as network, attr=attr
                ),
                args=[layer],
            )
        ) if attr == word:
            return ast.unparse(network), layer
    return None
