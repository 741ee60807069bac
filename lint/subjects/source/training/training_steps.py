"""Custom training steps, and the calls of a network in them that lose `training`."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ..networks.frozen import freezes
from ..networks.identity import is_part_of
from ..reading import hints
from ..reading.memo import found_once
from ..reading.nodes import last_word, start
from ..reading.values import Routine
from ..resolving.callers import calls_elsewhere
from ..resolving.classes import calls_in, keyword
from ..resolving.members import returns_of
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from .decorated import decorated_losses, passed_to_decorator
from .jax_steps import in_differentiated
from .lost_flag import APPLYING, LOST, LostFlag, applies_somewhere
from .owners import owners, trained_of
from .reaching_steps import STEPS, stepping
from .running import Running, running, trained_kinds
from .tapes import is_tape
from .torch_steps import before_backward

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module


def lost_flags(module: Module) -> Iterator[LostFlag]:
    """Yield each call in a training step that leaves out `training`.

    It may be in a function that the step of another file calls.
    """
    seen = set()
    for flag in (*_own(module), *_of_steps_elsewhere(module)):
        if flag.node not in seen and not _is_in_test(module, flag.node):
            seen.add(flag.node)
            yield flag


def steps_losing_flags(module: Module) -> set[ast.Call]:
    """The calls in the module's steps that lose `training`, or lead to where it is."""
    return {flag.node for flag in _in_steps(module)}


def _own(module: Module) -> Iterator[LostFlag]:
    """The flags lost in the module's own steps, but for those that other files show."""
    for flag in _in_steps(module):
        others = [] if flag.home is None else stepping(flag.home)
        if not (
            flag.home is not None
            and not _is_same_file(flag.home, module)
            and any(_is_same_file(other, module) for other in others)
        ):
            yield flag


def _is_same_file(one: Module, other: Module) -> bool:
    """Whether they are: a file is read twice, to lint and as imported."""
    return one.real_path == other.real_path


def _of_steps_elsewhere(module: Module) -> Iterator[LostFlag]:
    """The flags lost in this file's functions, in the steps of other files."""
    for user in stepping(module):
        for flag in _in_steps(user):
            if flag.home is None or not _is_same_file(flag.home, module):
                continue
            for call in module.calls:
                if flag.call is not None and start(call) == start(flag.call):
                    is_network = flag.called == ast.unparse(call.func)
                    is_call = is_network and keyword(call, FLAG) is None
                    yield replace(flag, node=call, is_call=is_call, shared=True)


@found_once
def _in_steps(module: Module) -> Iterator[LostFlag]:
    if "set_learning_phase" in module.calls_by_name:
        return
    yield from _in_decorated_losses(module)
    if not module.mentions(*STEPS):
        return
    yield from _under_tapes(module)
    yield from _minimised(module)
    yield from in_differentiated(module)
    yield from before_backward(module)


def _is_in_test(module: Module, node: ast.AST) -> bool:
    """Whether a test asks for gradients; it trains nothing that is used."""
    around = module.scopes.names_around(node)
    return any(map(hints.is_test, around))


# TensorFlow: what runs under a tape whose gradients an optimizer applies.


def _under_tapes(module: Module) -> Iterator[LostFlag]:
    if not module.mentions("GradientTape"):
        return
    for node in module.scopes.of(ast.With):
        tapes = _tapes(module, node)
        if tapes:
            sources = _trained(module, node, tapes)
            if sources is not None:
                how = "under GradientTape"
                yield from _lost(module, node, node.body, sources, how)


def _tapes(module: Module, node: ast.With) -> set[ast.Name]:
    return {
        item.optional_vars
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
        and is_tape(module, item.context_expr)
    }


def _in_decorated_losses(module: Module) -> Iterator[LostFlag]:
    for loss, node, decorating, decorator in decorated_losses(module):
        where = decorating.module
        variables = [
            given
            for source in _trained(where, node, _tapes(where, node)) or ()
            for given in passed_to_decorator(module, decorating, decorator, source)
        ]
        yield from _lost(module, loss, loss.body, variables, "under GradientTape")


def _minimised(module: Module) -> Iterator[LostFlag]:
    """Yield the flags lost in what `optimizer.minimize` calls to get its loss."""
    for call in module.calls_by_name.get("minimize", ()):
        variables = [*call.args[1:2], *_given(call, "var_list")]
        for value in values(module, call.args[0]) if call.args else ():
            if isinstance(value, Routine) and value.module is module and variables:
                yield from _lost(module, call, [value.node], variables, "in a loss")


def _trained(
    module: Module, node: ast.With, tapes: set[ast.Name]
) -> list[ast.expr] | None:
    """Return what the tape's gradients are taken for, if an optimizer applies them.

    Another tape in the function may have the same name.
    """
    function = module.scopes.enclosing_function(node)
    calls = module.calls if function is None else list(calls_in(module, function))
    sources = []
    for call in calls:
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name() as tape, attr="gradient")
            ) if _is_one_of(module, tape, tapes):
                sources += [*call.args[1:2], *_given(call, "sources")]
            case ast.Call(func=ast.Attribute(attr="minimize")):
                given = keyword(call, "tape")
                if isinstance(given, ast.Name) and _is_one_of(module, given, tapes):
                    sources += [*call.args[1:2], *_given(call, "var_list")]
    applied = any(last_word(call.func) in APPLYING for call in calls)
    if not applied and isinstance(function, ast.FunctionDef):
        # Gradients of several batches may be added up for another function.
        kept = any(last_word(call.func) == "assign_add" for call in calls)
        applied = (kept and applies_somewhere(module)) or _is_applied_by_callers(
            module, function
        )
    return sources if applied and sources else None


def _is_applied_by_callers(module: Module, step: ast.FunctionDef) -> bool:
    """Whether a step may return gradients to a caller that applies them."""
    returned = returns_of(module, step)
    if returned and applies_somewhere(module):
        return True
    return any(_has_gradients(module, value) for value in returned) and any(
        applies_somewhere(caller) for caller, _, _ in calls_elsewhere(module, step)
    )


def _has_gradients(module: Module, returned: ast.expr | None) -> bool:
    """Whether gradients, or a name for them, are among what is returned."""
    match returned:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Dict(values=parts):
            return any(_has_gradients(module, part) for part in parts)
        case ast.Call(func=called):
            return last_word(called) in ("gradient", "zip")
        case ast.Name():
            found = module.scopes.lookup(returned)
            return any(
                isinstance(binding.node, ast.Call)
                and last_word(binding.node.func) == "gradient"
                for binding in (found[1] if found else ())
            )
    return False


def _is_one_of(module: Module, name: ast.Name, tapes: set[ast.Name]) -> bool:
    """Whether a name stands for one of the tapes, where it is used."""
    found = module.scopes.lookup(name)
    return any(entry.place in tapes for entry in (found[1] if found else ()))


def _given(call: ast.Call, name: str) -> list[ast.expr]:
    value = keyword(call, name)
    return [] if value is None else [value]


def _lost(
    module: Module,
    step: ast.AST,
    body: Iterable[ast.AST],
    sources: list[ast.expr],
    how: str,
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
    for call, lost, is_false in _without_phase(list(running(module, body))):
        called = ast.unparse(call.call.func)
        frozen = freezes(call.module)
        if frozen.covers(call.call.func) and not (
            called in trained_by_name and frozen.toggles(call.call.func)
        ):
            continue  # where its class is; a caller in another file does not show it
        known = list(call.networks())
        held = (trained_kinds(network, call.call) & LOST for network in known)
        kinds = next(filter(None, held), None)
        if kinds and any(
            is_part_of(network, owner, step) for network in known for owner in trained
        ):
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
                home=home,
                call=lost.call,
            )


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
    losing = {run.call for run in calls if run.loses_flag()}
    inferring = {run.call for run in calls if run.infers()}
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
        lost = None if called in flagged else run.loses_flag()
        still = called in training or hints.keeps_still(called)
        found = lost or (None if still else run.infers())
        if found is not None and last_word(found.call.func) != "call":
            yield run, found, lost is None  # BN109 reports x.call(...)
