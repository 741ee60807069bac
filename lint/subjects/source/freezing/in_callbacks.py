"""Layers that a callback freezes, or unfreezes, while `fit` runs.

The training function that `fit` has made keeps what was trainable then.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import last_word
from ..reading.values import Class, Parameter, Routine
from ..resolving.classes import calls_in, is_callback, reached
from ..resolving.members import members
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

# What runs once the training function is made; `on_train_begin` only where that is
# settled by then.
_DURING = re.compile(r"on_(epoch|batch|train_batch)_(begin|end)$")
_AT_BEGIN = "on_train_begin"
_MAY_CHANGE = re.compile(r"\.trainable\s*=(?!=)")
_FITTING = ("fit", "fit_generator")
_COMPILING = ("compile", "make_train_function")


def changed_in_callbacks(
    module: Module, *, before_fit: bool
) -> Iterator[tuple[ast.Assign, str]]:
    """Yield each `x.trainable = ...` there, with the name of the method.

    Args:
        module: the module.
        before_fit: whether it is too late as soon as the model is compiled.
    """
    if not module.matches(_MAY_CHANGE) or not module.mentions("Callback"):
        return
    seen: set[ast.Assign] = set()
    for method, functions in _called_back(module, before_fit):
        if any(_compiles(module, function) for function in functions):
            continue
        for change, network in _changes(module, functions):
            if change not in seen and _may_hold_batch_norm(module, network):
                seen.add(change)
                yield change, method


def _called_back(
    module: Module, at_begin: bool
) -> Iterator[tuple[str, list[Function]]]:
    """The functions of the module that run when a callback is, with its method."""
    for node in module.classes:
        cls = Class(module, node)
        for name in members(module, node).methods:
            if _runs_in_fit(name, at_begin) and is_callback(cls):
                here = [one.node for one in reached(cls, name) if one.module is module]
                yield name, here
    for call in module.calls_by_name.get("LambdaCallback", ()):
        for word in call.keywords:
            if word.arg is not None and _runs_in_fit(word.arg, at_begin):
                for value in values(module, word.value):
                    if isinstance(value, Routine) and value.module is module:
                        yield word.arg, [value.node]


def _runs_in_fit(name: str, at_begin: bool) -> bool:
    return _DURING.match(name) is not None or (at_begin and name == _AT_BEGIN)


def _compiles(module: Module, function: Function) -> bool:
    return any(
        last_word(call.func) in _COMPILING for call in calls_in(module, function)
    )


def _changes(
    module: Module, functions: list[Function]
) -> Iterator[tuple[ast.Assign, ast.expr]]:
    """The changes there of what is trainable, each with the network."""
    for node in module.scopes.of(ast.Assign):
        match node.targets:
            case [ast.Attribute(value=network, attr="trainable")] if any(
                function in functions for function in module.scopes.ancestors(node)
            ) and not _is_at_start(module, node):
                loop = None
                if isinstance(network, ast.Name):
                    loop = module.scopes.loop_of(network)
                yield node, network if loop is None else _looped(loop.iter)


def _is_at_start(module: Module, change: ast.Assign) -> bool:
    """Whether it is for the first epoch alone, which may be before the first step."""
    return any(
        isinstance(outer, ast.If) and re.search(r"== 0\b", ast.unparse(outer.test))
        for outer in module.scopes.ancestors(change)
    )


def _looped(over: ast.expr) -> ast.expr:
    """`network` of `network.layers[3:]`."""
    while True:
        match over:
            case ast.Call(func=ast.Name(id="enumerate" | "reversed"), args=[inner, *_]):
                over = inner
            case ast.Subscript(value=inner) | ast.Attribute(value=inner, attr="layers"):
                over = inner
            case _:
                return over


def _may_hold_batch_norm(module: Module, network: ast.expr) -> bool:
    """Whether it does, or is out of sight; `self.model` is what is fitted here."""
    if names.BATCH_NORM in kinds_held(module, network, even_frozen=True):
        return True
    if not _is_fitted(network):
        found = values(module, network)
        return bool(found) and all(isinstance(one, Parameter) for one in found)
    fitted = [
        call.func.value
        for word in _FITTING
        for call in module.calls_by_name.get(word, ())
        if isinstance(call.func, ast.Attribute)
    ]
    return not fitted or any(
        names.BATCH_NORM in kinds_held(module, one, even_frozen=True) for one in fitted
    )


def _is_fitted(network: ast.expr) -> bool:
    """Whether it is `self.model`, or a part of it."""
    return any(ast.unparse(node) == "self.model" for node in ast.walk(network))
