"""Dropout at the end of a network that is compiled, after which nothing learns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ...outputs import PASSING
from ..reading.nodes import last_word, start
from ..reading.values import Known, Result
from ..resolving.classes import keyword
from ..resolving.resolve import values
from .applied import kind_made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_SEQUENTIAL = "keras.Sequential"
_FUNCTIONAL = ("keras.Model", "keras.models.Model")
_WAYS = (ast.If, ast.For, ast.While, ast.Try)


def dropped_outputs(module: Module) -> Iterator[ast.Call]:
    """Yield the construction of each such dropout, in plain code of one function."""
    if module.is_test or not module.mentions("ropout"):
        return
    seen = set()
    for compiling in module.calls_by_name.get("compile", ()):
        if not isinstance(compiling.func, ast.Attribute):
            continue
        network = compiling.func.value
        for value in values(module, network):
            match value:
                case Result(maker=Known(name), call=ast.Call() as made):
                    last = None
                    if name == _SEQUENTIAL:
                        last = _last_added(module, network, made, compiling)
                    elif name in _FUNCTIONAL:
                        last = _last_applied(module, made)
                    if last is not None and last not in seen:
                        seen.add(last)
                        yield last


def _last_added(
    module: Module, network: ast.expr, made: ast.Call, compiling: ast.Call
) -> ast.Call | None:
    """The dropout that a sequence ends with, by its list and what is added to it."""
    function = module.scopes.enclosing_function(compiling)
    if module.scopes.enclosing_function(made) is not function:
        return None
    layers: list[ast.expr] = []
    if made.args and isinstance(made.args[0], ast.List | ast.Tuple):
        layers += made.args[0].elts
    called = ast.unparse(network)
    added = [
        call
        for call in module.calls_by_name.get("add", ())
        if isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == called
        and module.scopes.enclosing_function(call) is function
        and start(made) < start(call) < start(compiling)
    ]
    if any(_is_conditional(module, call) for call in added):
        return None
    layers += [argument for call in sorted(added, key=start) for argument in call.args]
    return _end(module, layers) if len(layers) > 1 else None


def _last_applied(module: Module, made: ast.Call) -> ast.Call | None:
    """The dropout whose result a Functional model returns."""
    outputs = keyword(made, "outputs") or (made.args[1] if len(made.args) > 1 else None)
    layers: list[ast.expr] = []
    before = start(made)
    while outputs is not None and len(layers) <= len(PASSING):
        match outputs:
            case ast.Name(id=name):
                assigned = _assigned(module, made, name, before)
                if assigned is None:
                    return None
                before, outputs = start(assigned), assigned.value
            case ast.Call(func=ast.Call() as layer, args=[given]):
                layers.insert(0, layer)
                if not _passes(module, layer):
                    break
                outputs = given
            case _:
                return None
    return _end(module, layers)


def _assigned(
    module: Module, made: ast.Call, name: str, before: tuple[int, int]
) -> ast.Assign | None:
    """The last assignment to a name before a place, if no condition is around it."""
    function = module.scopes.enclosing_function(made)
    found = [
        node
        for node in module.scopes.of(ast.Assign)
        if any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
        and module.scopes.enclosing_function(node) is function
        and start(node) < before
    ]
    last = max(found, key=start, default=None)
    return None if last is None or _is_conditional(module, last) else last


def _end(module: Module, layers: list[ast.expr]) -> ast.Call | None:
    """The last layer that does more than pass its input on, if it is dropout."""
    for layer in reversed(layers):
        if not isinstance(layer, ast.Call):
            return None
        if kind_made(module, layer) == names.DROPOUT:
            return layer
        if not _passes(module, layer):
            return None
    return None


def _passes(module: Module, layer: ast.Call) -> bool:
    return last_word(layer.func) in PASSING and any(
        isinstance(value, Known) and value.name.startswith("keras.layers.")
        for value in values(module, layer.func)
    )


def _is_conditional(module: Module, node: ast.AST) -> bool:
    for outer in module.scopes.ancestors(node):
        if isinstance(outer, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            return False
        if isinstance(outer, _WAYS):
            return True
    return False
