"""BN of TensorFlow 1 whose updates a training op must run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.bindings import Kind
from ..reading.limits import FUNCTIONS
from ..reading.signs import Sign
from ..reading.values import Class, Items, Known, Partial, Result, Routine, dict_entries
from ..resolving.callers import calls_elsewhere
from ..resolving.classes import calls_in, keyword
from ..resolving.resolve import values
from ..statistics.batch_norms import batch_norm_name
from .arg_scopes import (
    constants,
    given_in_scopes,
    hands_out_scopes,
    modules_around,
    scopes_around,
)
from .fetched_updates import runs_updates
from .unpassed_flags import always_trains

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.values import Value

# Where their functions may come from; other modules need no search for them.
_FUNCTIONS = Sign(
    "contrib | slim | v1 | tf.layers | tensorflow.layers",
    r"\b(contrib|slim|tf_slim|v1|tf\.layers|tensorflow\.layers)\b",
)
# The scopes that come with networks of slim; their BN collects its updates.
_OWN_SCOPE = re.compile(
    r"arg_scope\(\s*[\w.]*(resnet|inception|mobilenet|nasnet)\w*arg_scope\(\s*\)"
)
_NO_COLLECTION = re.compile(r"updates_collections['\"]?\s*[=:]\s*None")
_TRAINS = re.compile(r"\b(minimize|apply_gradients|create_train_op|optimize_loss)\(")


def _needs_updates(module: Module) -> bool:
    """Whether the module, or what it calls, builds BN whose updates others must run."""
    return any(_leaves_updates(*call) for call in reached_calls(module))


def loses_updates(module: Module, op: ast.Call) -> bool:
    """Whether BN is trained by a training op, and nothing runs its updates.

    The network may also be built by another file whose training op is made here.
    """
    users = [module] if _needs_updates(module) else list(_users(module, op))
    return bool(users) and not any(updates_are_run(user) for user in (module, *users))


def _users(module: Module, op: ast.Call) -> Iterator[Module]:
    """The other files that pass a loss of BN to the function a training op is in."""
    function = module.scopes.enclosing_function(op)
    if function is not None:
        for other, call, _ in calls_elsewhere(module, function):
            given = [*call.args, *(argument.value for argument in call.keywords)]
            built = any(
                names.BATCH_NORM in kinds_held(other, argument) for argument in given
            )
            if built and _needs_updates(other):
                yield other


def updates_are_run(module: Module) -> bool:
    """Whether the module, what it calls, or what imports it runs the updates."""
    around = {call for call, _ in reached_calls(module)}
    around |= {
        other for other in module.project.naming("UPDATE_OPS") if imports(other, module)
    }
    return any(runs_updates(other) for other in {module, *around})


def calls_without_flag(module: Module) -> Iterator[tuple[ast.Call, str, bool]]:
    """Calls of BN that leave its flag out: (call, name of the flag, its default)."""
    if not module.matches(_FUNCTIONS):
        return
    for call in module.calls:
        normalizer = keyword(call, "normalizer_fn")
        for function in (call.func, normalizer):
            for value in _normalizing(module, function):
                name = _applied(value)
                by_place = isinstance(value, Result) and len(call.args) > 1
                if name is None or by_place or keyword(call, "trainable") is not None:
                    continue
                by_contrib = name in names.DECAY_FUNCTIONS
                flag = "is_training" if by_contrib else "training"
                packed = function is normalizer
                given = argument_values(module, call, flag, packed=packed)
                if given or _is_partly_given(value, flag):
                    continue
                if by_contrib and _may_be_given_in_scopes(module, flag, packed):
                    continue
                if packed and not _is_known(module, keyword(call, "normalizer_params")):
                    continue
                yield call, flag, by_contrib
                break


def _normalizing(module: Module, function: ast.expr | None) -> Iterator[Value]:
    """The values of what is called, without layers that are one of several kinds.

    Those come from a table whose keys are not known.
    """
    found = () if function is None else values(module, function)
    is_mixed = not all(_applied(value) for value in found)
    for value in found:
        if not (is_mixed and isinstance(value, Result)):
            yield value


def _may_be_given_in_scopes(module: Module, flag: str, packed: bool) -> bool:
    """Whether an arg_scope gives it, or one may that is out of sight.

    A network that is not trained here is built by others, in a scope of theirs.
    """
    if given_in_scopes(module, flag) or hands_out_scopes(module):
        return True
    in_sight = any(other.matches(_TRAINS) for other in modules_around(module))
    return module.mentions("arg_scope") and not packed and not in_sight


def _applied(value: Value) -> str | None:
    """The name of a BN function, or of a layer of tf.layers that is called."""
    if isinstance(value, Result):
        is_layer = value.maker == Known("tensorflow.layers.BatchNormalization")
        return value.maker.name if is_layer and isinstance(value.maker, Known) else None
    name = batch_norm_name(value)
    return name if name in names.BATCH_NORM_FUNCTIONS else None


def _is_partly_given(value: Value, flag: str) -> bool:
    return isinstance(value, Partial) and (
        keyword(value.call, flag) is not None
        or any(argument.arg is None for argument in value.call.keywords)
    )


def _is_known(module: Module, params: ast.expr | None) -> bool:
    """Whether it specifies which parameters the normalizer gets."""
    if params is None:
        return True
    found = values(module, params)
    return bool(found) and all(isinstance(value, Items) for value in found)


def reached_calls(module: Module) -> Iterator[tuple[Module, ast.Call]]:
    """The calls in a module, and in the functions and classes that it calls."""
    return _reached(module, module.calls, but=module)


def builds_both_phases(module: Module, call: ast.Call) -> bool:
    """Whether a call builds BN that may come in both phases, or runs what does."""
    return any(
        any(functions_of_both_phases(*each)) for each in _reached(module, [call])
    )


def _reached(
    module: Module, calls: Iterable[ast.Call], but: Module | None = None
) -> Iterator[tuple[Module, ast.Call]]:
    """These calls, and those in what they run, unless that is in a module."""
    visited: set[ast.AST] = set()
    pending = [(module, call) for call in calls]
    while pending and len(visited) < FUNCTIONS:
        current, call = pending.pop()
        yield current, call
        handed = [
            argument.value
            for argument in call.keywords
            if argument.arg == "normalizer_fn"
        ]
        for function in (call.func, *handed):
            for value in values(current, function):
                for inside, node in _bodies(value):
                    if node not in visited and inside is not but:
                        visited.add(node)
                        pending += [
                            (inside, inner_call)
                            for inner_call in _calls_in(inside, node)
                        ]


def _bodies(value: Value) -> Iterator[tuple[Module, ast.AST]]:
    match value:
        case Routine(module=module, node=node) | Class(module=module, node=node):
            yield module, node
        case Result(maker=Class(module=module, node=node)):
            yield module, node
        case Partial(function=inner):
            yield from _bodies(inner)


def _calls_in(module: Module, node: ast.AST) -> Iterable[ast.Call]:
    if isinstance(node, ast.ClassDef):
        return [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return calls_in(module, node)  # type: ignore[arg-type]


def _leaves_updates(module: Module, call: ast.Call) -> bool:
    """Whether it is BN of both phases that only puts its updates into a collection."""
    return any(
        name not in names.DECAY_FUNCTIONS or _collects(module, call)
        for name in functions_of_both_phases(module, call)
    )


def functions_of_both_phases(
    module: Module, call: ast.Call, *, or_inference: bool = False
) -> Iterator[str]:
    """The functions by which a call builds BN, if it may come in both phases.

    With `or_inference` also if it surely comes in inference alone.
    """
    without = ([], [True]) if or_inference else ([], [False], [True])
    for name, given in _functions_and_phases(module, call):
        if given not in without:
            yield name  # in one phase only, no running statistics are used


def infers_only(module: Module) -> bool:
    """Whether all BN that it and what it calls build is only seen to get False."""
    phases = [
        given
        for other, call in reached_calls(module)
        for _, given in _functions_and_phases(other, call)
    ]
    return bool(phases) and all(
        False in given and True not in given for given in phases
    )


def _functions_and_phases(
    module: Module, call: ast.Call
) -> Iterator[tuple[str, list[object | None]]]:
    """The functions by which a call builds BN, and the constants their flag may be."""
    normalizer = keyword(call, "normalizer_fn")
    for function in (call.func, normalizer):
        for value in values(module, function) if function is not None else ():
            name = batch_norm_name(value) or _slim_network(module, value)
            if name is None or name not in names.BATCH_NORM_FUNCTIONS:
                continue
            by_contrib = name in names.DECAY_FUNCTIONS
            flag = "is_training" if by_contrib else "training"
            given = argument_values(module, call, flag, packed=function is normalizer)
            if not given and by_contrib:
                given = given_in_scopes(module, flag)
            yield name, given


def _slim_network(module: Module, value: Value) -> str | None:
    """The BN of a network that comes with slim, under an `arg_scope` of its own."""
    is_one = isinstance(value, Known) and names.SLIM_NETWORK.match(value.name)
    return "slim.batch_norm" if is_one and module.matches(_OWN_SCOPE) else None


def _collects(module: Module, call: ast.Call) -> bool:
    """Whether contrib's BN surely leaves its updates in the usual collection."""
    given = keyword(call, "updates_collections")
    if given is not None:
        return "UPDATE_OPS" in ast.unparse(given)
    unknown = any(argument.arg is None for argument in call.keywords)
    around = {module, *(scope for scope, _ in scopes_around(module))}
    return not unknown and not any(other.matches(_NO_COLLECTION) for other in around)


def argument_values(
    module: Module, call: ast.Call, name: str, packed: bool
) -> list[object | None]:
    """The constants that an argument may be, with None for all that is unknown."""
    given = keyword(call, name)
    if packed:
        given = None
        params = keyword(call, "normalizer_params")
        for value in values(module, params) if params is not None else ():
            if isinstance(value, Items):
                given = dict_entries(value).get(name)
    if given is None:
        unpacked = any(argument.arg is None for argument in call.keywords)
        return [None] if unpacked else []
    return [True] if always_trains(module, given) else constants(module, given)


def imports(other: Module, module: Module) -> bool:
    """Whether another module imports this one, by its name."""
    stem = module.imported_as
    for bindings in other.scopes.top.bindings.values():
        for binding in bindings:
            if binding.kind is Kind.IMPORT and stem in binding.dotted.split("."):
                return True
    return any(stem in star.split(".") for star in other.scopes.top.stars)
