"""Training steps with PyTorch: what is called before `loss.backward()`.

Or before `torch.autograd.grad(loss, weights)`.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..networks.identity import is_part_of
from ..reading import hints
from ..reading.bindings import Kind
from ..reading.nodes import Function, end, last_word
from ..reading.values import Class, Result, Routine, argument_for
from ..resolving.callers import all_calls
from ..resolving.classes import keyword
from ..resolving.handed import as_caller_writes
from ..resolving.heirs import held_by
from ..resolving.members import attribute_of_self
from ..resolving.resolve import values
from .applying import applies
from .lost_flag import LOST, lost_in
from .owners import owners
from .passed_losses import made_by, passed_losses
from .phases import loses_flag
from .running import Running, running, trained_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from .lost_flag import LostFlag
    from .running import Network


def before_backward(
    module: Module, backward: ast.Call, instance: Class | None = None
) -> Iterator[LostFlag]:
    """Yield the flags lost in what is called before `loss.backward()`."""
    around = _loop_or_function(module, backward)
    inside = [
        call
        for call in module.calls
        if around is None or around in module.scopes.ancestors(call)
    ]
    inside += _stepping_with(module, around)
    steps = any(applies(call) or last_word(call.func) == "step" for call in inside)
    if not (steps or _moves_by_hand(module, around, backward)):
        return
    how, handed = "before loss.backward()", []
    if last_word(backward.func) == "grad":
        how = "before torch.autograd.grad()"
        held = [(module, owner) for owner in _sources(module, backward)]
    else:
        stepping = _steps_of(backward, inside)
        held = list(_optimised(module, stepping, instance))
        handed = list(_handed_optimizers(module, stepping))
    before = [call for call in inside if end(call) < end(backward)]
    if not (held or handed):
        return
    runs = [*running(module, before, instance=instance)]
    for where, loss in passed_losses(module, backward, instance):
        runs += running(where, list(made_by(where, loss)), instance=instance)
    for run in runs:
        lost = None if runs_without_gradients(run) else loses_flag(run)
        known = [] if lost is None else list(trained_kinds(run))
        kinds = next((kinds & LOST for _, kinds in known if kinds & LOST), None)
        if lost is None or not kinds:
            continue
        if _come_together(module, run, handed) or any(
            is_part_of(network, part, backward) for network, _ in known for part in held
        ):
            flag = "training=self.training" if _is_forward(lost) else "training=True"
            yield lost_in(run, lost, how, kinds, flag)


def _sources(module: Module, gradients: ast.Call) -> Iterator[ast.expr]:
    """The networks for whose weights `torch.autograd.grad(loss, weights)` is asked."""
    for source in (*gradients.args[1:2], keyword(gradients, "inputs")):
        if source is not None:
            yield from owners(module, source)


def _moves_by_hand(module: Module, around: ast.AST | None, gradients: ast.Call) -> bool:
    """Whether gradients are taken and subtracted there: `weight -= rate * gradient`."""
    return last_word(gradients.func) == "grad" and any(
        isinstance(node.op, ast.Sub)
        and (around is None or around in module.scopes.ancestors(node))
        for node in module.scopes.of(ast.AugAssign)
    )


def _steps_of(backward: ast.Call, inside: list[ast.Call]) -> list[ast.Call]:
    """The calls that may apply the gradients that one of several `backward` leaves.

    In adversarial steps each optimizer steps before the gradients of the next loss.
    """
    after = [call for call in inside if end(backward) < end(call)]
    following = [end(call) for call in after if last_word(call.func) == "backward"]
    until = min(following, default=None)
    own = [call for call in after if until is None or end(call) < until]
    steps = any(applies(call) or last_word(call.func) == "step" for call in own)
    return own if steps and backward in inside else inside


def _is_forward(run: Running) -> bool:
    """Whether it stands in the `forward` of a module, which knows its phase."""
    function = None if run.routine is None else run.routine.node
    return getattr(function, "name", "") == "forward"


def _optimised(
    module: Module, calls: list[ast.Call], instance: Class | None
) -> Iterator[Network]:
    """The networks whose weights the optimizers hold that make a step here."""
    for call in calls:
        if applies(call):
            for argument in call.args:
                yield from ((module, owner) for owner in owners(module, argument))
        elif last_word(call.func) == "step" and isinstance(call.func, ast.Attribute):
            for optimizer in (call.func.value, *call.args):  # scaler.step(optimizer)
                yield from _held_by(module, optimizer, instance)


def _handed_optimizers(
    module: Module, calls: list[ast.Call]
) -> Iterator[tuple[Function, str]]:
    """The parameters by which a function gets the optimizers that make a step there."""
    for call in calls:
        if last_word(call.func) == "step" and isinstance(call.func, ast.Attribute):
            for optimizer in (call.func.value, *call.args):
                if not isinstance(optimizer, ast.Name):
                    continue
                found = module.scopes.lookup(optimizer)
                for binding in found[1] if found else ():
                    if binding.kind is Kind.PARAMETER:
                        assert isinstance(binding.place, Function)
                        yield binding.place, optimizer.id


def _come_together(
    module: Module, run: Running, handed: list[tuple[Function, str]]
) -> bool:
    """Whether one call passes a network, and an optimizer that holds its weights."""
    *_, (home, network) = run.handed(run.call.func)
    ancestors = set(run.module.scopes.ancestors(run.call))
    for function, name in handed:
        owner = module.owner_of(function)
        bound_to = None if owner is None else Class(module, owner)
        routine = Routine(module, function, bound_to)
        for where, call, skipped in all_calls(module, function):
            passed = as_caller_writes(where, call, routine, network)
            if run.module is home is where and function not in ancestors:
                passed = network  # the function only gets the loss
            optimizer = argument_for(call, function, name, skipped)
            if (
                passed is not None
                and optimizer is not None
                and any(
                    is_part_of((where, passed), part, call)
                    for part in _held_by(where, optimizer)
                )
            ):
                return True
    return False


def _held_by(
    module: Module, optimizer: ast.expr, instance: Class | None = None
) -> Iterator[Network]:
    """The networks whose weights an optimizer is made for."""
    ways: list[Network] = [(module, optimizer)]
    name = attribute_of_self(optimizer, "self")
    if instance is not None and name is not None:
        ways += held_by(instance, name)
    for where, way in ways:
        for value in values(where, way):
            if isinstance(value, Result):
                for given in (*value.call.args, *value.call.keywords):
                    for owner in owners(value.module, given):
                        yield value.module, owner


def _stepping_with(module: Module, closure: ast.AST | None) -> list[ast.Call]:
    """The calls of `optimizer.step(closure)`."""
    return [
        call
        for call in module.calls_by_name.get("step", ())
        for given in call.args
        if any(
            isinstance(value, Routine) and value.node is closure
            for value in values(module, given)
        )
    ]


def _loop_or_function(module: Module, node: ast.AST) -> ast.AST | None:
    inner = node
    for outer in module.scopes.ancestors(node):
        over = isinstance(outer, ast.For) and outer.iter is inner
        if isinstance(outer, ast.For | ast.While | Function) and not over:
            return outer
        inner = outer
    return None


def runs_without_gradients(run: Running) -> bool:
    """Whether it, or a call that leads to it, is for an evaluation.

    It stands in `with torch.no_grad()`, or in a function that says so.
    """
    around = [
        ast.unparse(outer.items[0])
        for outer in run.module.scopes.ancestors(run.call)
        if isinstance(outer, ast.With)
    ]
    function = None if run.routine is None else run.routine.node
    around += map(ast.unparse, getattr(function, "decorator_list", ()))
    return (
        any(re.search(r"no_grad|inference_mode", text) for text in around)
        or hints.is_evaluation(getattr(function, "name", ""))
        or (run.caller is not None and runs_without_gradients(run.caller))
    )
