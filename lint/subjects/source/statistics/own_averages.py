"""Callbacks of a project that set a network's weights to an average of its own."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import Class
from ..resolving.classes import is_callback
from ..resolving.members import attribute_of_self, members
from .averaged import estimates_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_STATISTICS = re.compile(r"moving_(mean|var)|batch_?norm|momentum", re.IGNORECASE)
MEANS = ("mean", "average", "reduce_mean")


def own_averages(module: Module) -> Iterator[ast.Call]:
    """Yield the first `set_weights(average)` of a callback that leaves BN to itself."""
    if not module.mentions("Callback") or not module.mentions(
        "get_weights", ".weights"
    ):
        return
    if estimates_again(module):
        return
    for call in module.calls_by_name.get("set_weights", ()):
        owner = module.scopes.enclosing_class(call)
        if (
            owner is not None
            and len(call.args) == 1
            and is_callback(Class(module, owner))
            and _is_average(module, owner, call.args[0])
            and not any(_STATISTICS.search(name) for name in _names_in(owner))
        ):
            yield call
            return


def _is_average(module: Module, owner: ast.ClassDef, weights: ast.expr) -> bool:
    """Whether the weights are calculated, in place or where they were kept."""
    name = attribute_of_self(weights, "self")
    given = [weights] if name is None else members(module, owner).given(name)
    return any(_is_weighted(part) for argument in given for part in ast.walk(argument))


def _is_weighted(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=ast.Div() | ast.Mult()):
            return True
        case ast.Call(func=function):
            return last_word(function) in MEANS
    return False


def _names_in(owner: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(owner):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.arg(arg=name):
                yield name
