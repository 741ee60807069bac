"""Custom training steps, and the calls of a network in them that lose `training`."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ..networks.frozen import freezes
from ..networks.identity import is_part_of
from ..reading import hints
from ..reading.memo import found_once
from ..reading.nodes import extent, last_word
from ..reading.values import Class, Routine
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from .decorated import decorated_losses, passed_to_decorator
from .inherited_steps import files_of_subclasses, inherited_steps, subclasses_of_step
from .jax_steps import in_differentiated
from .lightning_modules import in_lightning_modules
from .lost_flag import LOST, LostFlag
from .owners import owners, trained_of
from .parts_run import kinds_inside
from .phases import infers, loses_flag
from .reaching_steps import given_functions, stepping
from .running import Running, running, trained_kinds
from .step_places import is_of_torch, step_places
from .tape_sources import tapes_of, trained_by
from .torch_steps import before_backward
from .trained import is_fresh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from .step_places import StepPlace


def lost_flags(module: Module) -> Iterator[LostFlag]:
    """Yield each call in a training step that leaves out `training`.

    It may be in a function that the step of another file calls.
    """
    seen = set()
    found = (*_own(module), *_of_steps_elsewhere(module), *_of_inherited_steps(module))
    for flag in found:
        if flag.node not in seen and not _is_in_test(module, flag.node):
            seen.add(flag.node)
            yield flag


def steps_losing_flags(module: Module) -> set[ast.Call]:
    """The calls in the module's steps that lose `training`, or lead to where it is."""
    return {flag.node for flag in _in_steps(module)}


def _own(module: Module) -> Iterator[LostFlag]:
    """The flags lost in the module's own steps, but for those that other files show."""
    return (flag for flag in _in_steps(module) if not _is_shown_at_home(module, flag))


def _is_shown_at_home(module: Module, flag: LostFlag) -> bool:
    """Whether it is lost in another file that is linted, and reported there."""
    home = flag.home
    if home is None or _is_same_file(home, module):
        return False
    return home.project.is_linted(home.real_path) and any(
        _is_same_file(other, module)
        for other in (*stepping(home), *given_functions(home))
    )


def _is_same_file(one: Module, other: Module) -> bool:
    """Whether they are: a file is read twice, to lint and as imported."""
    return one.real_path == other.real_path


def _of_steps_elsewhere(module: Module) -> Iterator[LostFlag]:
    """The flags lost in this file's functions, in the steps of other files."""
    for user in dict.fromkeys((*stepping(module), *given_functions(module))):
        for flag in _in_steps(user):
            if flag.home is not None and _is_same_file(flag.home, module):
                yield from _here(module, flag)


def _here(module: Module, flag: LostFlag) -> Iterator[LostFlag]:
    """A flag that a step of another file shows to be lost in this one."""
    for call in module.calls:
        if flag.call is not None and extent(call) == extent(flag.call):
            is_network = flag.called == ast.unparse(call.func)
            is_call = is_network and keyword(call, FLAG) is None
            yield replace(flag, node=call, is_call=is_call, shared=True)


def _of_inherited_steps(module: Module) -> Iterator[LostFlag]:
    """The flags lost in this file's methods, in steps that they inherit from others.

    Or in the steps of this file that subclasses in others inherit.
    """
    for base, step, cls in inherited_steps(module):
        for flag in _in_step(base, step, cls):
            if flag.home is module:
                yield from _here(module, flag)
    for other in files_of_subclasses(module):
        for base, step, cls in inherited_steps(other):
            for flag in _in_step(base, step, cls):
                if flag.home is base and _is_same_file(base, module):
                    yield from _here(module, flag)


@found_once
def _in_steps(module: Module) -> Iterator[LostFlag]:
    if "set_learning_phase" in module.calls_by_name:
        return
    yield from _in_decorated_losses(module)
    yield from _minimised(module)
    yield from in_lightning_modules(module)
    for place in step_places(module):
        yield from _in_step(module, place)
        for cls in subclasses_of_step(module, place):
            yield from _in_step(module, place, cls)


def _in_step(
    module: Module, place: StepPlace, instance: Class | None = None
) -> Iterator[LostFlag]:
    """The flags lost in one step, perhaps as an instance of a subclass runs it."""
    match place:
        case ast.With():
            yield from _under_tape(module, place, instance)
        case ast.Call() if is_of_torch(module, place):
            yield from before_backward(module, place, instance)
        case _:
            yield from in_differentiated(module, place, instance)


def _is_in_test(module: Module, node: ast.AST) -> bool:
    """Whether a test asks for gradients; it trains nothing that is used."""
    around = module.scopes.names_around(node)
    return any(map(hints.is_test, around))


# TensorFlow: what runs under a tape whose gradients an optimizer applies.


def _under_tape(
    module: Module, node: ast.With, instance: Class | None = None
) -> Iterator[LostFlag]:
    tapes = tapes_of(module, node)
    sources = trained_by(module, node, tapes) if tapes else None
    if sources is not None:
        how = "under GradientTape"
        yield from _lost(module, node, node.body, sources, how, instance)


def _in_decorated_losses(module: Module) -> Iterator[LostFlag]:
    for loss, node, decorating, decorator in decorated_losses(module):
        where = decorating.module
        variables = [
            given
            for source in trained_by(where, node, tapes_of(where, node)) or ()
            for given in passed_to_decorator(module, decorating, decorator, source)
        ]
        yield from _lost(module, loss, loss.body, variables, "under GradientTape")


def _minimised(module: Module) -> Iterator[LostFlag]:
    """Yield the flags lost in what `optimizer.minimize` calls to get its loss."""
    for call in module.calls_by_name.get("minimize", ()):
        given = keyword(call, "var_list")
        variables = [*call.args[1:2], *([] if given is None else [given])]
        for value in values(module, call.args[0]) if call.args else ():
            if isinstance(value, Routine) and value.module is module and variables:
                yield from _lost(module, call, [value.node], variables, "in a loss")


def _lost(
    module: Module,
    step: ast.AST,
    body: Iterable[ast.AST],
    sources: list[ast.expr],
    how: str,
    instance: Class | None = None,
) -> Iterator[LostFlag]:
    trained = [
        network
        for source in sources
        for owner in owners(module, source)
        for network in trained_of(module, owner)
    ]
    if not trained:
        return  # gradients for an input, or for something that is not known
    trained_by_name = {ast.unparse(network) for _, network in trained}
    runs = list(running(module, body, instance=instance))
    for call, lost, is_false in _without_phase(runs):
        called = ast.unparse(call.call.func)
        frozen = freezes(call.module)
        if frozen.covers(call.call.func) and not (
            called in trained_by_name and frozen.toggles(call.call.func)
        ):
            continue  # where its class is; a caller in another file does not show it
        held = [(network, kinds & LOST) for network, kinds in trained_kinds(call)]
        known = [network for network, _ in held]
        kinds = next((kinds for _, kinds in held if kinds), None)
        if kinds and not any(
            is_part_of(network, owner, step) for network in known for owner in trained
        ):
            kinds = kinds_inside(known, trained, step, runs)
        if kinds:
            here = lost is call and call.is_shown
            home: Module | None = lost.module
            if call.module is not module and _is_own_call(call):
                # Its `__call__` may have no place for a flag: the step says more.
                called, home = ast.unparse(known[-1][1]), None
            yield LostFlag(
                lost.shown,
                called,
                how,
                kinds,
                is_call=here and keyword(call.call, FLAG) is None,
                shared=call.caller is not None,
                is_false=is_false,
                is_fresh=_writes_false(call.call) and is_fresh(call.module, call.call),
                home=home,
                call=lost.call,
            )


def _writes_false(call: ast.Call) -> bool:
    """Whether the phase is written as False: no name says that it may be switched."""
    given = keyword(call, FLAG)
    return isinstance(given, ast.Constant) and given.value is False


def _is_own_call(run: Running) -> bool:
    """Whether it is run by the `__call__` of a class, in place of Keras' own."""
    return run.routine is not None and (
        getattr(run.routine.node, "name", "") == "__call__"
    )


def _without_phase(calls: list[Running]) -> Iterator[tuple[Running, Running, bool]]:
    """The calls that get no phase, or False, where none of the same network gets one.

    Each comes with the call on the way that leaves it out, and whether it is False.
    """
    led_to = {run.call for run in calls if run.caller is not None}
    # A function that is defined in the step counts as it is called there.
    calls = [run for run in calls if run.caller or run.call not in led_to]
    losing = {run.call for run in calls if loses_flag(run)}
    inferring = {run.call for run in calls if infers(run)}
    given = [run for run in calls if run.call not in losing]
    flagged = {
        ast.unparse(run.call.func)
        for run in given
        if keyword(run.call, FLAG) is not None
    }
    training = {
        ast.unparse(run.call.func)
        for run in given
        if run.call not in inferring and not says(run.module, run.call).is_nothing
    }
    for run in calls:
        called = ast.unparse(run.call.func)
        lost = None if called in flagged else loses_flag(run)
        still = called in training or hints.keeps_still(called)
        found = lost or (None if still else infers(run))
        if found is not None and last_word(found.call.func) != "call":
            yield run, found, lost is None  # BN109 reports x.call(...)
