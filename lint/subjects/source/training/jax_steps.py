"""Steps of JAX: what functions call of which gradients are taken."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..networks.defaults import kinds_in_inference
from ..networks.identity import is_part_of
from ..reading.bindings import Kind
from ..reading.nodes import arguments_of
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
from .stateless_scopes import given_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Class


def in_differentiated(
    module: Module, place: ast.Call | ast.FunctionDef, instance: Class | None = None
) -> Iterator[LostFlag]:
    """Yield the calls by given weights whose result a step trains with."""
    for function, body, skipped in _differentiated(module, place, instance):
        where = function.module
        for run in running(where, [body], instance=instance):
            wanted = _arguments_wanted(function, place, skipped)
            given = _given(run) or _differentiated_itself(run, wanted)
            if given is None or given.is_for_inputs(wanted):
                continue
            for_weights = given.is_for_weights(wanted)
            if not (applies_somewhere(module) or for_weights):
                continue
            if not for_weights and given.is_of_others(function, wanted):
                continue
            lost = loses_flag(run)
            off = infers(run) if lost is None and for_weights else None
            lost = lost or off
            if lost is None:
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
                    ast.unparse(run.call.func),
                    "in a differentiated function",
                    kinds,
                    is_call and keyword(run.call, FLAG) is None,
                    shared=run.caller is not None or name in module.calls_by_name,
                    is_false=off is not None,
                    home=lost.module,
                    call=lost.call,
                )


@dataclass(frozen=True)
class _Given:
    """What a call of a network gets, each as the call `run` writes it.

    Attributes:
        weights: what it takes for its trainable variables.
        inputs: what it is called on.
    """

    weights: list[tuple[Running, ast.expr]]
    inputs: list[tuple[Running, ast.expr]]

    def is_for_weights(self, wanted: list[ast.arg]) -> bool:
        """Whether the gradients are for its trainable variables."""
        return _are_among(wanted, self.weights)

    def is_for_inputs(self, wanted: list[ast.arg]) -> bool:
        """Whether the gradients are for its inputs, as in a saliency."""
        return not self.is_for_weights(wanted) and _are_among(wanted, self.inputs)

    def is_of_others(self, function: Routine, wanted: list[ast.arg]) -> bool:
        """Whether its weights surely have no part in the gradients.

        So it is with a teacher, and with the other network of an adversarial step.
        """
        for run, weights in self.weights:
            *_, (where, handed) = run.handed(weights)
            read = [node for node in ast.walk(handed) if isinstance(node, ast.Name)]
            return bool(read) and not any(
                _may_depend(where, name, function, wanted) for name in read
            )
        return False


def _arguments_wanted(
    function: Routine, place: ast.Call | ast.FunctionDef, skipped: int
) -> list[ast.arg]:
    """The parameters that gradients are taken for: the first, or what `argnums` says.

    All that may be, if that is calculated.
    """
    arguments = arguments_of(function.node)[skipped:]
    calls = [place] if isinstance(place, ast.Call) else place.decorator_list
    for call in calls:
        numbers = keyword(call, "argnums") if isinstance(call, ast.Call) else None
        if isinstance(place, ast.Call) and numbers is None:
            numbers = next(iter(place.args[1:2]), None)
        match numbers:
            case ast.Constant(value=int(number)):
                return arguments[number:][:1]
            case ast.expr():
                return arguments
    return arguments[:1]


def _may_depend(
    module: Module, name: ast.Name, function: Routine, wanted: list[ast.arg]
) -> bool:
    """Whether a name may hold what a function is differentiated by."""
    found = module.scopes.lookup(name) if module.scopes.holds(name) else None
    if found is None:
        return True
    scope, bindings = found
    if scope.node in module.scopes.ancestors(function.node):
        return False  # bound around the function, which JAX calls
    return function.node not in module.scopes.ancestors(name) or not all(
        binding.kind is Kind.PARAMETER
        and binding.place is function.node
        and binding.node not in wanted
        for binding in bindings
    )


def _given(run: Running) -> _Given | None:
    """What `stateless_call`, or a call under a `StatelessScope`, gets; None if none."""
    call = run.call
    if run.network is not call.func:
        if len(call.args) > 3:
            return None
        place = [(run, argument) for argument in call.args]
        return _Given(place[:1], place[2:3])
    weights = [
        (step, weights)
        for step, owner, weights in given_weights(run)
        if any(
            is_part_of(network, (step.module, owner), run.call)
            for network in run.networks()
        )
    ]
    return _Given(weights, [(run, one) for one in call.args[:1]]) if weights else None


def _differentiated_itself(run: Running, wanted: list[ast.arg]) -> _Given | None:
    """A network of which gradients are taken, as `nnx.grad(loss)(model)` takes them."""
    given = _Given([(run, run.call.func)], [])
    return given if given.is_for_weights(wanted) else None


def _are_among(wanted: list[ast.arg], given: list[tuple[Running, ast.expr]]) -> bool:
    """Whether it is a parameter of which gradients are taken."""
    for run, argument in given:
        *_, (_, handed) = run.handed(argument)
        return isinstance(handed, ast.Name) and handed.id in {one.arg for one in wanted}
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
