"""Networks that a training step gets from elsewhere, and calls without a flag."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from ..networks.contents import kinds_of_class
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.signs import Sign
from ..reading.values import Class, Known, Parameter, Result, Routine, Self, unpacks
from ..resolving.classes import calls_in, keras_kind, keyword
from ..resolving.lineage import method_of, project_lineage
from ..resolving.members import attribute_of_self, self_name
from ..resolving.resolve import values
from ..resolving.saying import How, says, says_otherwise
from .applying import applies_somewhere
from .loss_functions import has_losses, lost_in_losses
from .owners import owners
from .phases import loses_flag
from .running import Running, running
from .tapes import is_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_STEPS = ("GradientTape", "stateless_call", "backward")
_OWN_LOSS = re.compile(r"(compute|calc|calculate|get)_loss$|loss$")
_OF_RESULTS = {*("pred", "preds", "prediction", "predictions", "y", "output"), "logits"}
_LOSES = Sign("loss", r"def[ ]\w*loss\w*\(\s*self\b")
# Networks that do not show what they hold; those of other kinds have no Keras layers.
_OPAQUE = re.compile(
    r"keras\.models\.(load_model|clone_model|model_from_(json|yaml|config))$"
    r"|(?!keras|tensorflow\b|sonnet|haiku|flax|torch)[\w.]+$"
)


@dataclass(frozen=True)
class _Step:
    """A tape that trains, the function it is in, and that function's module."""

    module: Module
    tape: ast.With
    function: Function


def handed_in_networks(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """The first such call in the module, in a step that trains the network.

    It comes with the network as written. One is enough: it is unknown whether a network
    that is passed in depends on the phase.
    """
    if not (module.mentions(*_STEPS) or module.matches(_LOSES) or has_losses(module)):
        return
    if "set_learning_phase" in module.calls_by_name:
        return
    found = chain(
        (call for step in _steps(module) for call in _lost(module, step)),
        _lost_in_inherited_steps(module),
        _lost_in_jax(module),
        _lost_in_torch(module),
        lost_in_losses(module),
    )
    yield from islice(found, 1)


def _steps(module: Module) -> Iterator[_Step]:
    """The tapes of a module, in functions, where gradients are applied somewhere."""
    if not (module.mentions("GradientTape") and applies_somewhere(module)):
        return
    for made in module.calls_by_name.get("GradientTape", ()):
        tape = module.scopes.parents.get(module.scopes.parents.get(made))  # type: ignore[arg-type]
        function = module.scopes.enclosing_function(made)
        if (
            isinstance(tape, ast.With)
            and function is not None
            and is_tape(module, made)
            and not any(map(hints.is_test, module.scopes.names_around(made)))
        ):
            yield _Step(module, tape, function)


def _lost_in_inherited_steps(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """The calls in methods that a step of a base class in another file runs."""
    for node in module.classes if module.matches(_LOSES) else ():
        cls = Class(module, node)
        for base in project_lineage(cls)[1:] if node.bases else ():
            for step in _steps(base.module) if base.module is not module else ():
                if base.module.owner_of(step.function) is not base.node:
                    continue
                me = self_name(step.function)
                for call in calls_in(base.module, step.function):
                    name = attribute_of_self(call.func, me)
                    method = None if name is None else method_of(cls, name)
                    if method is not None and method.module is module:
                        yield from _lost(module, step, method.node)


def _lost(
    module: Module, step: _Step, method: Function | None = None
) -> Iterator[tuple[ast.Call, str]]:
    """The calls under a step's tape, or in a method that it runs."""
    trained = _trained(step)
    body = step.tape.body if method is None else [method]
    for found_call in running(module, body) if trained else ():
        called = ast.unparse(found_call.call.func)
        if _computes_loss(found_call, trained):
            yield found_call.shown, called
        if (
            _is_trained(found_call, trained)
            and (found_call.call.args or found_call.call.keywords)
            and not says_otherwise(found_call.call)
            and not hints.is_function(called)
            and (
                _is_unknown(found_call.module, found_call.call.func)
                or _runs_unknown(found_call.module, found_call.call.func)
            )
        ):
            lost = (
                found_call if _has_no_flag(found_call.call) else loses_flag(found_call)
            )
            if lost is not None:
                yield lost.shown, called


def _computes_loss(run: Running, trained: set[str]) -> bool:
    """Whether a trained object out of sight computes its loss, from inputs alone."""
    match run.call.func:
        case ast.Attribute(value=owner, attr=name) if _OWN_LOSS.match(name):
            given = [*run.call.args, *(option.value for option in run.call.keywords)]
            words = {word for one in given for word in hints.words_of(ast.unparse(one))}
            return (
                ast.unparse(owner) in trained
                and bool(run.call.args)
                and words.isdisjoint(_OF_RESULTS)
                and _is_unknown(run.module, owner)
                and says(run.module, run.call).how in (How.NOTHING, How.PASSED_ON)
                and not says_otherwise(run.call)
                and not any(
                    hints.is_flag_like(ast.unparse(one))
                    for one in run.call.args + run.call.keywords
                )
            )
    return False


def _lost_in_torch(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """The calls of what a Keras model is given, in a step that runs `backward`."""
    for backward in module.calls_by_name.get("backward", ()):
        function = module.scopes.enclosing_function(backward)
        owner = None if function is None else module.owner_of(function)
        if function is None or owner is None:
            continue
        if keras_kind(Class(module, owner)) != "model":
            continue
        for call in calls_in(module, function):
            name = attribute_of_self(call.func, self_name(function))
            if (
                name is not None
                and call.args
                and call.lineno < backward.lineno
                and not hints.is_function(name)
                and says(module, call).is_nothing
                and not says_otherwise(call)
                and _is_unknown(module, call.func)
            ):
                yield call, ast.unparse(call.func)


def _lost_in_jax(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """The calls of `stateless_call` in a function of which JAX takes gradients."""
    if not module.mentions("stateless_call"):
        return
    differentiated = {
        value.node
        for word in ("grad", "value_and_grad")
        for call in module.calls_by_name.get(word, ())
        for given in call.args[:1]
        for value in values(module, given)
        if isinstance(value, Routine)
    }
    for call in module.calls_by_name.get("stateless_call", ()):
        if (
            module.scopes.enclosing_function(call) in differentiated
            and isinstance(call.func, ast.Attribute)
            and says(module, call).is_nothing
            and not says_otherwise(call)
            and _is_unknown(module, call.func.value)
        ):
            yield call, ast.unparse(call.func)


def _has_no_flag(call: ast.Call) -> bool:
    """Whether nothing that it passes may be the phase, going by the names."""
    return not unpacks(call) and not any(
        isinstance(node, ast.Starred | ast.Constant)
        or hints.is_flag_like(ast.unparse(node))
        for node in (*call.args[1:], *(word.value for word in call.keywords))
    )


def _is_trained(run: Running, trained: set[str]) -> bool:
    """Whether a network is called that is, or is part of, one of those.

    A name in a function stands for what the step passes for it.
    """
    match run.call.func:
        case ast.Attribute(value=base):
            return not trained.isdisjoint(map(ast.unparse, (run.call.func, base)))
        case ast.Name():
            *_, (_, network) = run.networks()
            known = run.routine is None or network is not run.call.func
            return known and ast.unparse(network) in trained
    return False


def _trained(step: _Step) -> set[str]:
    """The networks that gradients are taken for in the step, as written."""
    return {
        ast.unparse(network)
        for call in calls_in(step.module, step.function)
        if last_word(call.func) == "gradient"
        for given in (*call.args[1:2], keyword(call, "sources"))
        if given is not None
        for network in owners(step.module, given)
    }


def _is_unknown(module: Module, network: ast.expr) -> bool:
    """Whether it is only known to be passed in, loaded or of another library."""
    found = values(module, network)
    return bool(found) and all(
        isinstance(candidate, Parameter)
        or (
            isinstance(candidate, Result)
            and isinstance(candidate.maker, Known)
            and (
                _OPAQUE.match(candidate.maker.name) is not None
                or _is_graph_of_others(candidate)
            )
        )
        for candidate in found
    )


def _runs_unknown(module: Module, network: ast.expr) -> bool:
    """Whether it is the model itself, whose `call` runs only what it is given."""
    for value in values(module, network):
        match value:
            case Self(cls) if not kinds_of_class(cls):
                routine = method_of(cls, "call")
                return routine is not None and any(
                    attribute_of_self(call.func, self_name(routine.node)) is not None
                    and _is_unknown(routine.module, call.func)
                    for call in calls_in(routine.module, routine.node)
                )
    return False


def _is_graph_of_others(network: Result) -> bool:
    """Whether it is a graph that leads to tensors only known to be passed in."""
    if network.maker != Known("keras.Model"):
        return False
    ends = (*network.call.args[1:2], keyword(network.call, "outputs"))
    found = [
        value
        for end in ends
        if end is not None
        for value in values(network.module, end)
    ]
    return bool(found) and all(isinstance(value, Parameter) for value in found)
