"""Steps of JAX: what functions call of which gradients are taken."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..networks.defaults import kinds_in_inference
from ..reading.nodes import arguments_of, last_word
from ..reading.values import Partial, Routine
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG
from .applying import applies_somewhere
from .lost_flag import LOST, LostFlag
from .phases import infers, loses_flag
from .running import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def in_differentiated(module: Module) -> Iterator[LostFlag]:
    """Yield the calls of `stateless_call` whose result a step trains with."""
    if not module.mentions("stateless_call"):
        return
    for function, body, skipped in _differentiated(module):
        for run in running(module, [body]):
            call = run.call
            if last_word(call.func) != "stateless_call" or len(call.args) > 3:
                continue
            first = arguments_of(function.node)[skipped : skipped + 1]
            if _is_for_inputs(run, first):
                continue
            if not (applies_somewhere(module) or _is_for_weights(run, first)):
                continue
            assert isinstance(call.func, ast.Attribute | ast.Name)
            lost = loses_flag(run)
            off = infers(run) if lost is None and _is_for_weights(run, first) else None
            lost = lost or off
            network = call.func.value if isinstance(call.func, ast.Attribute) else None
            if lost is None or network is None:
                continue
            kinds = LOST.intersection(
                kind
                for known in run.handed(network)
                for kind in kinds_in_inference(*known)
            )
            if kinds:
                how = "in a differentiated function"
                name = getattr(function.node, "name", "")
                shared = run.caller is not None or name in module.calls_by_name
                called = ast.unparse(call.func)
                is_call = lost is run and run.is_shown
                is_call = is_call and keyword(call, FLAG) is None
                yield LostFlag(
                    lost.shown,
                    called,
                    how,
                    kinds,
                    is_call,
                    shared,
                    is_false=off is not None,
                    home=lost.module,
                    call=lost.call,
                )


def _is_for_weights(run: Running, first: list[ast.arg]) -> bool:
    """Whether the gradients are for the trainable variables that it is called with."""
    return _is_first(first, run, run.call.args[:1])


def _is_for_inputs(run: Running, first: list[ast.arg]) -> bool:
    """Whether the gradients are for what the network is called on, as in a saliency."""
    weights = _is_first(first, run, run.call.args[:1])
    return not weights and _is_first(first, run, run.call.args[2:3])


def _is_first(first: list[ast.arg], run: Running, given: list[ast.expr]) -> bool:
    """Whether it is what the function gets first, of which JAX takes gradients."""
    for argument in given:
        *_, (_, handed) = run.handed(argument)
        return isinstance(handed, ast.Name) and [handed.id] == [
            one.arg for one in first
        ]
    return False


def _differentiated(module: Module) -> Iterator[tuple[Routine, ast.AST, int]]:
    """The functions given to `jax.grad` and the like, or decorated with it.

    Each comes with what runs it, itself or a call with the arguments that
    `functools.partial` binds, and how many parameters are filled in before the first.
    """
    for word in ("grad", "value_and_grad"):
        for call in module.calls_by_name.get(word, ()):
            for argument in call.args[:1]:
                for value in values(module, argument):
                    bound: ast.AST | None = None
                    filled = 0
                    if isinstance(value, Partial) and value.module is module:
                        bound, filled = _bound(value.call), len(value.call.args) - 1
                        value = value.function
                    if isinstance(value, Routine) and value.module is module:
                        filled += value.owner is not None
                        yield value, bound or value.node, filled
    for node in module.scopes.of(ast.FunctionDef):
        written = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
        if re.search(r"\bjax\.(value_and_)?grad\b", written):
            yield Routine(module, node), node, 0


def _bound(partial: ast.Call) -> ast.Call:
    """The call of a function with just the arguments that `partial` binds."""
    call = ast.Call(partial.args[0], partial.args[1:], partial.keywords)
    return ast.copy_location(call, partial)
