"""Evaluations that run a network with BN as in training."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import Function, last_word, nodes_in
from ..reading.values import Class, Known, Parameter, Result, Routine, Self, parameters
from ..resolving.classes import calls_in, is_callback, keras_kind, keyword
from ..resolving.lineage import method_of
from ..resolving.members import attribute_of_self
from ..resolving.named_flags import named_flag
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from .tapes import records, stands_in_tape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module

_FLAGGED = re.compile(rf"{FLAG}\s*=|\.call\(")
_LOADING = Known("keras.models.load_model")
_CALLED_BACK = re.compile(r"on_(epoch_end|train_end|(test|predict)_\w+)$")
_Repeated = ast.While | ast.ListComp | ast.GeneratorExp
_OPTIMIZING = {"apply_gradients", "minimize", "backward", "gradient"}
_FITTING = {"fit", "fit_generator", "train_on_batch", "train_step"}


@dataclass(frozen=True)
class Evaluated:
    """A call with `training=True` in a function or a loop that evaluates.

    Attributes:
        flag: the argument.
        in_loop: whether a loop over data to evaluate on is what says so.
        on_data: whether it is the name of the data that says so.
        kinds: what the network holds of BN and dropout; nothing if it is passed in, so
            that it is not in sight.
        surely: whether it holds BN, and no name, also of the constant, or dropout
            suggests intent.
    """

    flag: ast.expr
    kinds: Kinds
    surely: bool
    in_loop: bool = False
    on_data: bool = False


def trained_in_evaluation(module: Module) -> Iterator[Evaluated]:
    """Yield each such call of a network that holds BN or dropout, or is passed in."""
    for call in module.calls if _FLAGGED.search(module.text) else ():
        flag = _flag_of(call)
        if flag is None:
            continue
        function = _evaluation(module, call)
        if function is None:
            yield from _in_loop(module, call, flag)
            yield from _on_data(module, call, flag)
        if function is None or _is_meant(module, function):
            continue
        if isinstance(module.scopes.parents.get(call), ast.Expr):
            continue  # only its statistics are wanted
        named = not says(module, call).is_constant(True)
        if named and not named_flag(module, flag):
            continue
        network = _network_of(call)
        kinds = kinds_held(module, network) & {names.BATCH_NORM, names.DROPOUT}
        is_step = hints.is_evaluation_step(function.name)
        predicts = "predict" in function.name
        if names.BATCH_NORM in kinds:
            alone = names.DROPOUT not in kinds
            sure = not named and (alone or (is_step and not predicts))
            yield Evaluated(flag, kinds, sure)
        elif predicts and not _is_loaded(module, network):
            continue  # it may well sample by its dropout on purpose
        elif (
            kinds
            or _is_loaded(module, network)
            or _is_unknown(module, network, call)
            or (is_step and _is_itself(module, network))
            or (is_step and _takes_flag(module, network))
        ):
            yield Evaluated(flag, kinds, surely=False)


def _in_loop(module: Module, call: ast.Call, flag: ast.expr) -> Iterator[Evaluated]:
    """Yield a call in a loop over data to evaluate on, if it holds or may hold BN."""
    loop = _evaluating_loop(module, call)
    said = says(module, call)
    if loop is None or not said.is_constant(True) or _is_noisy(module, call):
        return
    network = _network_of(call)
    kinds = kinds_held(module, network) & {names.BATCH_NORM, names.DROPOUT}
    if kinds or _is_loaded(module, network) or _is_model(module, network):
        sure = names.BATCH_NORM in kinds and not hints.may_add_noise(
            ast.unparse(network)
        )
        yield Evaluated(flag, kinds, sure, in_loop=True)


def _evaluating_loop(module: Module, call: ast.Call) -> ast.For | None:
    """The loop over such data around a call, which no tape and no step is in."""
    if isinstance(module.scopes.parents.get(call), ast.Expr):
        return None  # only its statistics are wanted
    for outer in module.scopes.ancestors(call):
        match outer:
            case ast.For(iter=over) if hints.is_data_to_evaluate(ast.unparse(over)):
                trains = any(
                    isinstance(node, ast.Call)
                    and last_word(node.func) in _OPTIMIZING | _FITTING
                    for node in ast.walk(outer)
                )
                return None if trains else outer
            case ast.If(test=test) | ast.IfExp(test=test):
                asked = ast.unparse(test)
                if hints.speaks_of_phase(asked) or hints.is_meant_random(asked):
                    return None
            case ast.With() if records(outer):
                return None
            case _ if isinstance(outer, Function | ast.ClassDef | _Repeated | ast.For):
                return None
    return None


def _on_data(module: Module, call: ast.Call, flag: ast.expr) -> Iterator[Evaluated]:
    """Yield a single call on data to evaluate on, of a network with BN, not dropout."""
    if not (call.args and hints.is_data_to_evaluate(ast.unparse(call.args[0]))):
        return
    if isinstance(module.scopes.parents.get(call), ast.Expr) or _is_noisy(module, call):
        return
    for outer in module.scopes.ancestors(call):
        if records(outer) or isinstance(
            outer, _Repeated | ast.For | ast.If | ast.Lambda | ast.ClassDef
        ):
            return
    kinds = kinds_held(module, _network_of(call))
    if says(module, call).is_constant(True) and (
        kinds & {names.BATCH_NORM, names.DROPOUT} == {names.BATCH_NORM}
    ):
        yield Evaluated(flag, kinds, surely=False, on_data=True)


def _is_noisy(module: Module, call: ast.Call) -> bool:
    """Whether names around it say that it samples, or that it is a test."""
    around = module.scopes.names_around(call)
    return any(hints.is_meant_random(name) or hints.is_test(name) for name in around)


def _is_model(module: Module, network: ast.expr) -> bool:
    """Whether it is a model of the project whose `call` takes the phase."""
    for value in values(module, network):
        match value:
            case Result(maker=Class() as cls) if keras_kind(cls) == "model":
                routine = method_of(cls, "call")
                return routine is not None and FLAG in parameters(routine.node)
    return False


def _flag_of(call: ast.Call) -> ast.expr | None:
    """The flag of a call: by its name, or second in `network.call(x, True)`."""
    by_place = last_word(call.func) == "call" and len(call.args) > 1
    return keyword(call, FLAG) or (call.args[1] if by_place else None)


def _network_of(call: ast.Call) -> ast.expr:
    match call.func:
        case ast.Attribute(value=network, attr="call"):
            return network
    return call.func


def _is_loaded(module: Module, network: ast.expr) -> bool:
    """Whether it comes from a file, so that it is trained."""
    return any(
        isinstance(value, Result) and value.maker == _LOADING
        for value in values(module, network)
    )


def _is_unknown(module: Module, network: ast.expr, call: ast.Call) -> bool:
    """Whether nothing is known about a network that is passed in, or of a subclass."""
    found = values(module, network)
    inherited = not found and attribute_of_self(network, "self") is not None
    return bool(call.args) and (
        inherited
        or (
            bool(found) and all(isinstance(candidate, Parameter) for candidate in found)
        )
    )


def _is_itself(module: Module, network: ast.expr) -> bool:
    """Whether it is the model itself, called in a step of its own."""
    return any(isinstance(value, Self) for value in values(module, network))


def _takes_flag(module: Module, function: ast.expr) -> bool:
    """Whether it is a function of the project that takes the phase."""
    found = values(module, function)
    return bool(found) and all(
        isinstance(value, Routine) and FLAG in parameters(value.node) for value in found
    )


def _evaluation(module: Module, call: ast.Call) -> ast.FunctionDef | None:
    """The function that evaluates, if the call runs in one, once a batch, untaped."""
    loops = False
    for outer in module.scopes.ancestors(call):
        match outer:
            case ast.FunctionDef(name=name) if hints.is_evaluation_step(name):
                loops = loops and "epoch" not in name
                alone = parameters(outer) - {"self"} and not loops
                return outer if alone else None
            case ast.FunctionDef(name=name) if hints.is_evaluation(
                name
            ) or _is_of_callback(module, outer):
                given = parameters(outer) - {"self"}
                return outer if given and not _may_train(module, outer) else None
            case ast.If(test=test) | ast.IfExp(test=test):
                asked = ast.unparse(test)
                if hints.speaks_of_phase(asked) or hints.is_meant_random(asked):
                    return None
            case ast.With() if records(outer) and _is_read(module, outer):
                return None
            case ast.For(iter=over) if "range" not in ast.unparse(over):
                loops = True  # over data, not repeatedly over the same data
            case _ if isinstance(
                outer, ast.Lambda | ast.ClassDef | _Repeated | ast.For
            ):
                return None
    return None


def _is_of_callback(module: Module, function: ast.FunctionDef) -> bool:
    """Whether Keras calls it at the end of an epoch, or while a network is tested."""
    owner = module.owner_of(function)
    return (
        owner is not None
        and _CALLED_BACK.match(function.name) is not None
        and is_callback(Class(module, owner))
    )


def _may_train(module: Module, function: ast.FunctionDef) -> bool:
    """Whether it takes gradients itself, or is called where they are taken."""
    if any(last_word(call.func) in _OPTIMIZING for call in calls_in(module, function)):
        return True
    return any(
        stands_in_tape(module, call)
        for call in module.calls_by_name.get(function.name, ())
    )


def _is_read(module: Module, tape: ast.With) -> bool:
    """Whether anything is asked of a tape, whose copied code may only record."""
    names_of_tape = {
        item.optional_vars.id
        for item in tape.items
        if isinstance(item.optional_vars, ast.Name)
    }
    function = module.scopes.enclosing_function(tape)
    return not names_of_tape or any(
        isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and node.id in names_of_tape
        for node in nodes_in(function or module.tree)
    )


def _is_meant(module: Module, function: ast.FunctionDef) -> bool:
    """Whether names say that it samples from the network, or that it tests a step."""
    around = module.scopes.names_around(function)
    # A file of dropout may well hold a step that only evaluates.
    around.append(re.sub("dropout", "", module.path.stem, flags=re.IGNORECASE))
    said = [function.name, *around]
    if not hints.is_evaluation_step(function.name):
        said.append(ast.unparse(function))  # such a name alone is only a guess
    return any(map(hints.is_meant_random, said)) or any(map(hints.is_test, around))
