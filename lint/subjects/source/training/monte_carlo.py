"""Samples that are drawn from a network by its dropout, and move its statistics."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import Function, last_word
from ..resolving.classes import keyword
from ..resolving.saying import FLAG, says
from .applying import TRAINING
from .tapes import stands_in_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_NAMED = re.compile(r"MC|(^|_)mc_|monte_?carlo|bayes|uncertain", re.IGNORECASE)


def sampled_through_batch_norm(module: Module) -> Iterator[ast.expr]:
    """Yield the flag True of each call that samples from a network with BN as well."""
    if module.is_test or not module.mentions("training=True"):
        return
    for call in module.calls:
        flag = keyword(call, FLAG)
        if (
            flag is None
            or not says(module, call).is_constant(True)
            or isinstance(module.scopes.parents.get(call), ast.Expr)
            or not _samples(module, call)
            or stands_in_tape(module, call)
        ):
            continue
        if {names.BATCH_NORM, names.DROPOUT} <= kinds_held(module, call.func):
            yield flag


def _samples(module: Module, call: ast.Call) -> bool:
    """Whether a loop repeats a call on the same data, or a name says so."""
    for outer in module.scopes.ancestors(call):
        match outer:
            case (
                ast.For(target=target, iter=over)
                | ast.ListComp(generators=[ast.comprehension(target, over)])
                | ast.GeneratorExp(generators=[ast.comprehension(target, over)])
            ) if _counts(over) and not _names_in(target) & _names_in(call):
                return not _trains(outer)
            case _ if isinstance(outer, Function):
                named = _NAMED.search(getattr(outer, "name", "")) is not None
                return named and not _trains(outer)
    return False


def _counts(over: ast.expr) -> bool:
    match over:
        case ast.Call(func=ast.Name(id="tqdm"), args=[inner, *_]):
            return _counts(inner)
        case ast.Call(func=function):
            return last_word(function) in ("range", "trange")
    return False


def _trains(node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.Call) and last_word(inner.func) in (*TRAINING, "gradient")
        for inner in ast.walk(node)
    )


def _names_in(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
