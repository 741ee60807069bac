"""Averages of trainable variables that a module calculates and puts into a network."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.bindings import Kind
from ..reading.memo import found_once
from ..reading.nodes import last_word
from ..reading.values import Class, Known, Result
from ..resolving.callers import handed_in
from ..resolving.classes import is_callback
from ..resolving.members import attribute_of_self
from ..resolving.resolve import values
from .averaged import estimates_again
from .own_averages import MEANS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_MAPPING = ("tree_map", "map_structure", "map")
_AVERAGES = "tensorflow.train.ExponentialMovingAverage"
_SUM_OF_WEIGHTS = 1


def averages_put_in(module: Module) -> Iterator[ast.Call]:
    """Yield the first place that sets the trainable variables of a network to averages.

    The network holds BN, or is that of a callback, of which this is not known.
    """
    if not module.mentions(*names.TRAINABLE) or estimates_again(module):
        return
    for call, network, given in (*_assigned(module), *_set_at_once(module)):
        if not _is_average(module, given):
            continue
        if _is_of_callback(module, network) or any(
            names.BATCH_NORM in kinds_held(where, what)
            for where, what in ((module, network), *handed_in(module, network))
        ):
            yield call
            return


def _assigned(module: Module) -> Iterator[tuple[ast.Call, ast.expr, ast.expr]]:
    """Each `variable.assign(given)`, with the network that the variable is of."""
    for call in module.calls_by_name.get("assign", ()):
        if isinstance(call.func, ast.Attribute) and len(call.args) == 1:
            network = _network_of(module, call.func.value)
            if network is not None:
                yield call, network, call.args[0]


def _set_at_once(module: Module) -> Iterator[tuple[ast.Call, ast.expr, ast.expr]]:
    """Each `batch_set_value(zip(network.trainable_weights, given))` of Keras 2."""
    for call in module.calls_by_name.get("batch_set_value", ()):
        match call.args:
            case [ast.Call(args=[ast.Attribute(value=network, attr=name), given])] if (
                name in names.TRAINABLE
            ):
                yield call, network, given


def _network_of(module: Module, variable: ast.expr) -> ast.expr | None:
    """The network whose trainable variable is assigned to."""
    sources: list[ast.AST] = []
    match variable:
        case ast.Subscript(value=base):
            sources.append(base)
        case ast.Name():
            sources += _items(module, variable)
    for source in sources:
        match source:
            case ast.Attribute(value=network, attr=name) if name in names.TRAINABLE:
                return network
    return None


def _items(module: Module, name: ast.Name) -> Iterator[ast.expr]:
    """The collections that a loop variable is an item of."""
    found = module.scopes.lookup(name)
    for binding in found[1] if found else ():
        if binding.kind is Kind.ITEM and isinstance(binding.node, ast.expr):
            yield binding.node


def _is_of_callback(module: Module, network: ast.expr) -> bool:
    """Whether it is `self.model` of a callback of the project."""
    owner = module.scopes.enclosing_class(network)
    return (
        owner is not None
        and attribute_of_self(network, "self") == "model"
        and is_callback(Class(module, owner))
    )


def _is_average(module: Module, given: ast.expr) -> bool:
    match given:
        case ast.Call(func=ast.Attribute(value=base, attr="average")):
            return any(
                isinstance(value, Result) and value.maker == Known(_AVERAGES)
                for value in values(module, base)
            )
        case ast.Call(func=function) if last_word(function) in MEANS:
            return any(
                isinstance(node, ast.Attribute) and node.attr in names.TRAINABLE
                for node in ast.walk(given)
            )
        case ast.Name():
            kept = set(map(_word, _items(module, given)))
        case _:
            kept = {_word(given)}
    return not (kept - {"", *names.TRAINABLE}).isdisjoint(_kept_averages(module))


def _word(expression: ast.AST) -> str:
    """`shadow` of `self.shadow`, `self.shadow[name]` and `shadow.values()`."""
    match expression:
        case ast.Subscript(value=base) | ast.Call(func=ast.Attribute(value=base)):
            return _word(base)
        case ast.expr():
            return last_word(expression)
    return ""


@found_once
def _kept_averages(module: Module) -> Iterator[str]:
    """The names, or attributes, under which averages are kept."""
    for node in module.scopes.of(ast.Assign):
        if _averages(node.value):
            yield from map(_word, node.targets)
    for call in module.calls_by_name.get("assign", ()):
        match call:
            case ast.Call(func=ast.Attribute(value=kept), args=[given]):
                if not is_weighted_mean(given):
                    continue
                yield _word(kept)
                if isinstance(kept, ast.Name):
                    yield from map(_word, _items(module, kept))


def _averages(value: ast.expr) -> bool:
    """Whether each item of what is assigned is a weighted mean."""
    match value:
        case ast.IfExp(body=one, orelse=other):
            return _averages(one) or _averages(other)
        case ast.ListComp(elt=item) | ast.DictComp(value=item):
            return is_weighted_mean(item)
        case ast.Call(func=function, args=[ast.Lambda(body=body), *_]):
            return last_word(function) in _MAPPING and is_weighted_mean(body)
    return is_weighted_mean(value)


def is_weighted_mean(expression: ast.expr) -> bool:
    """Whether it is a weighted mean of two values.

    `d * a + (1 - d) * b`, `0.99 * a + 0.01 * b`, `(n * a + b) / (n + 1)`, and as a step
    towards the new value: `a + (b - a) / n`, `a - (1 - d) * (a - b)`.
    """
    match expression:
        case ast.BinOp(
            left=start,
            op=ast.Add() | ast.Sub() as sign,
            right=ast.BinOp(left=one, op=ast.Mult() | ast.Div(), right=other),
        ) if any(_leads_away(start, sign, part) for part in (one, other)):
            return True
        case ast.BinOp(
            left=ast.BinOp(op=ast.Mult()) as one,
            op=ast.Add(),
            right=ast.BinOp(op=ast.Mult()) as other,
        ):
            factors = [one.left, one.right, other.left, other.right]
            constants = [
                factor.value
                for factor in factors
                if isinstance(factor, ast.Constant)
                and isinstance(factor.value, int | float)
            ]
            together = len(constants) == 2 and (
                abs(sum(constants) - _SUM_OF_WEIGHTS) < 1e-9
            )
            return together or any(map(_is_rest_of_one, factors))
        case ast.BinOp(left=ast.BinOp(op=ast.Add()), op=ast.Div(), right=count):
            return isinstance(count, ast.BinOp | ast.Name | ast.Attribute)
    return False


def _leads_away(start: ast.expr, sign: ast.operator, step: ast.expr) -> bool:
    """Whether a difference, added or subtracted, moves the start to another value."""
    match step:
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            from_start = right if isinstance(sign, ast.Add) else left
            return ast.unparse(from_start) == ast.unparse(start)
    return False


def _is_rest_of_one(factor: ast.expr) -> bool:
    match factor:
        case ast.BinOp(left=ast.Constant(value=1 | 1.0), op=ast.Sub()):
            return True
    return False
