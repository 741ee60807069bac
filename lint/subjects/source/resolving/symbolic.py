"""Whether a layer is applied to a tensor of a graph that is being built."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import GRAPH, TENSORS_VISITED
from ..reading.nodes import Function
from ..reading.values import Class, Known, Result, Routine, Self, argument_for
from .classes import graph_of
from .local_calls import calls_of
from .members import returns_of
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_FITTING = ("compile", "fit", "fit_generator", "train_on_batch")


class _TensorSearch:
    """A search for one question: what it has visited, and whether it was cut short."""

    def __init__(self) -> None:
        self.visited: set[ast.AST] = set()
        self.incomplete = False


def builds_graph(module: Module, call: ast.Call, is_layer: bool) -> bool:
    """Whether the call is applied to a tensor of a graph that is being built."""
    inputs = call.args[:1] or [keyword.value for keyword in call.keywords[:1]]
    found = [_origin(module, given, _TensorSearch()) for given in inputs]
    if True in found:
        return True
    # A helper that builds its own BN can hardly serve anything else.
    return is_layer and isinstance(call.func, ast.Call) and None in found


def _origin(module: Module, expression: ast.expr, search: _TensorSearch) -> bool | None:
    """Whether a tensor comes from `keras.Input`; None if from an unknown caller.

    The result is kept in the module, since each layer of a long graph asks again for
    all layers before it.
    """
    key = (builds_graph, expression)
    if key in module.answers:
        known: bool | None = module.answers[key]
        return known
    if expression in search.visited or len(search.visited) > TENSORS_VISITED:
        search.incomplete = True
        return False
    search.visited.add(expression)
    answer = _look_up(module, expression, search)
    if answer or not search.incomplete:
        module.answers[key] = answer
    return answer


def _look_up(
    module: Module, expression: ast.expr, search: _TensorSearch
) -> bool | None:
    match expression:
        case ast.Attribute(attr="output" | "outputs" | "input" | "inputs"):
            return not isinstance(expression.value, ast.Name) or not any(
                isinstance(found_value, Self)
                for found_value in values(module, expression.value)
            )
        case ast.Call():
            for value in values(module, expression.func):
                if value == Known("keras.layers.Input"):
                    return True
            sources = [
                *expression.args,
                *(keyword.value for keyword in expression.keywords),
            ]
        case ast.Name():
            return _origin_of_name(module, expression, search)
        case _:
            children = ast.iter_child_nodes(expression)
            sources = [child for child in children if isinstance(child, ast.expr)]
    return _any(_origin(module, source, search) for source in sources)


def _origin_of_name(
    module: Module, name: ast.Name, search: _TensorSearch
) -> bool | None:
    found = module.scopes.lookup(name)
    sources: list[bool | None] = []
    for binding in found[1] if found else ():
        if binding.kind in (Kind.VALUE, Kind.ITEM):
            assert isinstance(binding.node, ast.expr)
            sources.append(_origin(module, binding.node, search))
        elif binding.kind is Kind.PARAMETER:
            assert isinstance(binding.place, Function)
            assert isinstance(binding.node, ast.arg)
            calls = calls_of(module, binding.place)
            passed = [
                argument_for(call, binding.place, binding.node.arg, skipped)
                for call, skipped in calls
            ]
            sources += [
                _origin(module, argument, search)
                for argument in passed
                if argument is not None
            ]
            sources += [None] if not calls else []
    return _any(sources)


def _any(answers: Iterable[bool | None]) -> bool | None:
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


def fitted_graph(module: Module) -> set[ast.AST]:
    """The expressions that make the networks which the module compiles or fits."""
    pending: list[tuple[Module, ast.expr]] = []
    for word in _FITTING:
        for call in module.calls_by_name.get(word, ()):
            if isinstance(call.func, ast.Attribute):
                for value in values(module, call.func.value):
                    pending += _graph(value)
    return {expression for _, expression in followed_back(pending)}


def network_parts(module: Module, network: ast.expr) -> list[tuple[Module, ast.expr]]:
    """The expressions that a Functional or Sequential network is made of."""
    found = [part for value in values(module, network) for part in _graph(value)]
    return list(followed_back(found))


def followed_back(
    pending: list[tuple[Module, ast.expr]],
) -> Iterator[tuple[Module, ast.expr]]:
    """The expressions themselves, and all that they are made of, each once."""
    found: set[ast.AST] = set()
    while pending and len(found) < GRAPH:
        current, expression = pending.pop()
        if expression not in found:
            found.add(expression)
            yield current, expression
            pending += _made_of(current, expression)


def _graph(network: Value) -> list[tuple[Module, ast.expr]]:
    match network:
        case Self(cls) | Result(maker=Class() as cls):
            return list(graph_of(cls))
        case Result(module=module, call=call):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            return [(module, argument) for argument in given]
    return []


def _made_of(module: Module, expression: ast.expr) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what an expression is made of, one step back."""
    children = ast.iter_child_nodes(expression)
    if isinstance(expression, ast.Name):
        found = module.scopes.lookup(expression)
        for binding in found[1] if found else ():
            if binding.kind in (Kind.VALUE, Kind.ITEM):
                assert isinstance(binding.node, ast.expr)
                yield module, binding.node
    elif isinstance(expression, ast.Call):
        for function in values(module, expression.func):
            if isinstance(function, Routine):
                for returned in returns_of(function.module, function.node):
                    yield function.module, returned
        children = iter((*expression.args, *expression.keywords, expression.func))
    for child in children:
        if isinstance(child, ast.keyword):
            child = child.value
        if isinstance(child, ast.expr):
            yield module, child
