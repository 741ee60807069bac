"""Steps of JAX: what functions call of which gradients are taken."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.defaults import kinds_in_inference
from ..reading.bindings import Kind
from ..reading.nodes import arguments_of, last_word
from ..reading.values import Partial, Routine
from ..resolving.callers import called_on
from ..resolving.classes import keyword
from ..resolving.lineage import method_of
from ..resolving.members import attribute_of_self
from ..resolving.saying import FLAG
from .applying import applies_somewhere
from .lost_flag import LOST, LostFlag
from .phases import infers, loses_flag
from .running import Running, running, trained_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Class


def in_differentiated(
    module: Module, place: ast.Call | ast.FunctionDef, instance: Class | None = None
) -> Iterator[LostFlag]:
    """Yield the calls of `stateless_call` whose result a step trains with."""
    for function, body, skipped in _differentiated(module, place, instance):
        where = function.module
        for run in running(where, [body], instance=instance):
            call = run.call
            if last_word(call.func) != "stateless_call" or len(call.args) > 3:
                continue
            by = _differentiated_by(place, arguments_of(function.node)[skipped:])
            if _is_for_inputs(run, by) or _is_for_others(run, function, by):
                continue
            if not (applies_somewhere(module) or _is_for_weights(run, by)):
                continue
            lost = loses_flag(run)
            off = infers(run) if lost is None and _is_for_weights(run, by) else None
            lost = lost or off
            if lost is None or run.network is call.func:
                continue
            kinds = kinds_in_inference(run.module, run.network) & LOST
            if not kinds:
                held = (kinds & LOST for _, kinds in trained_kinds(run))
                kinds = next(filter(None, held), kinds)
            if kinds:
                name = getattr(function.node, "name", "")
                shown = lost.shown
                if isinstance(place, ast.Call) and where is not module:
                    shown = place
                is_call = lost is run and run.is_shown and shown is not place
                yield LostFlag(
                    shown,
                    ast.unparse(call.func),
                    "in a differentiated function",
                    kinds,
                    is_call and keyword(call, FLAG) is None,
                    shared=run.caller is not None or name in module.calls_by_name,
                    is_false=off is not None,
                    home=lost.module,
                    call=lost.call,
                )


def _differentiated_by(
    place: ast.Call | ast.FunctionDef, given: list[ast.arg]
) -> list[ast.arg]:
    """The parameters that gradients are taken for: the first, or what `argnums` says.

    All that may be, if that is calculated.
    """
    calls = [place] if isinstance(place, ast.Call) else place.decorator_list
    for call in calls:
        numbers = keyword(call, "argnums") if isinstance(call, ast.Call) else None
        if isinstance(place, ast.Call) and numbers is None:
            numbers = next(iter(place.args[1:2]), None)
        match numbers:
            case ast.Constant(value=int(number)):
                return given[number:][:1]
            case ast.expr():
                return given
    return given[:1]


def _is_for_weights(run: Running, by: list[ast.arg]) -> bool:
    """Whether the gradients are for the trainable variables that it is called with."""
    return _is_among(by, run, run.call.args[:1])


def _is_for_inputs(run: Running, by: list[ast.arg]) -> bool:
    """Whether the gradients are for what the network is called on, as in a saliency."""
    return not _is_for_weights(run, by) and _is_among(by, run, run.call.args[2:3])


def _is_for_others(run: Running, function: Routine, by: list[ast.arg]) -> bool:
    """Whether what it is called with for weights surely has no part in the gradients.

    So it is with a teacher, and with the other network of an adversarial step.
    """
    for argument in run.call.args[:1]:
        *_, (where, weights) = run.handed(argument)
        read = [node for node in ast.walk(weights) if isinstance(node, ast.Name)]
        return bool(read) and not any(
            _may_depend(where, name, function, by) for name in read
        )
    return False


def _may_depend(
    module: Module, name: ast.Name, function: Routine, by: list[ast.arg]
) -> bool:
    """Whether a name may hold what a function is differentiated by."""
    found = module.scopes.lookup(name) if module.scopes.holds(name) else None
    if found is None or function.node not in module.scopes.ancestors(name):
        return True
    scope, bindings = found
    if scope.node in module.scopes.ancestors(function.node):
        return False  # bound around the function, which JAX calls
    return not all(
        binding.kind is Kind.PARAMETER
        and binding.place is function.node
        and binding.node not in by
        for binding in bindings
    )


def _is_among(by: list[ast.arg], run: Running, given: list[ast.expr]) -> bool:
    """Whether it is what the function gets that JAX takes gradients for."""
    for argument in given:
        *_, (_, handed) = run.handed(argument)
        return isinstance(handed, ast.Name) and handed.id in {one.arg for one in by}
    return False


def _differentiated(
    module: Module, place: ast.Call | ast.FunctionDef, instance: Class | None
) -> Iterator[tuple[Routine, ast.AST, int]]:
    """The functions given to `jax.grad` and the like, or decorated with it.

    Each comes with what runs it, itself or a call with the arguments that
    `functools.partial` binds, and how many parameters are filled in before the first.
    """
    if isinstance(place, ast.FunctionDef):
        yield Routine(module, place), place, 0
        return
    for argument in place.args[:1]:
        name = attribute_of_self(argument, "self")
        own = method_of(instance, name) if instance is not None and name else None
        for value in (own,) if own is not None else called_on(module, argument):
            bound: ast.AST | None = None
            filled = 0
            if isinstance(value, Partial) and value.module is module:
                bound, filled = _bound(value.call), len(value.call.args) - 1
                value = value.function
            if isinstance(value, Routine):
                filled += value.owner is not None
                yield value, bound or value.node, filled


def _bound(partial: ast.Call) -> ast.Call:
    """The call of a function with just the arguments that `partial` binds."""
    call = ast.Call(partial.args[0], partial.args[1:], partial.keywords)
    return ast.copy_location(call, partial)
