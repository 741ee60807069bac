"""Calls of BN, or of a network with BN, that write `training` out as a constant."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ...findings import Edit, Fix
from .. import names
from . import hints
from .batch_norms import batch_norm_name
from .classes import keras_kind, keyword, reached
from .contents import holds
from .edits import without_argument
from .frozen import freezes
from .memo import found_once
from .resolve import calls_of, values
from .saying import FLAG, FLAG_OF_FUNCTIONS, How, Said, local_value, says
from .scopes import last_word
from .switches import constants_of
from .symbolic import builds_graph, fitted_graph
from .usage import usage_of
from .values import (
    Class,
    Known,
    Parameter,
    Result,
    Routine,
    argument_for,
    default_of,
    parameters,
    unpacks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module
    from .scopes import Function
    from .values import Value

_ANY_FLAG = re.compile(r"training\s*=|,\s*(?:True|False|None)\b")


class Where(Enum):
    """What surrounds a call."""

    CALL = auto()  # the `call` of a Keras class, or a method it uses
    GRAPH = auto()  # the building of a Functional graph


@dataclass(frozen=True)
class Flagged:
    """A call with a constant flag.

    Attributes:
        value: the flag.
        call: the call.
        node: the argument that gives it.
        where: whether it is in a `call` or builds a graph.
        is_layer: whether BN itself is called, not a network that holds BN.
        is_function: whether it is BN as a function of TensorFlow 1.
        kept_still: whether names say that the network is not meant to learn.
        maybe_frozen: whether the module freezes something that may be this.
        fitted: whether the module compiles or fits a graph that it is part of.
        noisy: whether the module also has dropout that never stops, as in pix2pix.
        in_training: whether its function makes the op that trains, so that its graph
            may be for training alone.
        by_default_of: the method whose default the flag is, as no call passes another.
    """

    value: bool | None
    call: ast.Call
    node: ast.AST
    where: Where
    is_layer: bool
    is_function: bool
    kept_still: bool
    maybe_frozen: bool
    fitted: bool
    noisy: bool
    in_training: bool
    by_default_of: str = ""


@found_once
def flagged_calls(module: Module) -> Iterator[Flagged]:
    """Every call of BN, or of what holds BN, with a constant flag."""
    if not module.matches(_ANY_FLAG):
        return
    fitted: set[ast.AST] | None = None
    for call in module.calls:
        said = _flag_of(module, call)
        if said is None:
            continue
        is_layer = _is_batch_norm(module, call)
        if not is_layer and not _is_network(module, call):
            continue
        where = _where(module, call, is_layer)
        flag = said.flag
        helper = ""
        if where is Where.CALL and _is_left_at_false(module, said):
            flag, helper = False, getattr(said.function, "name", "")
        elif said.how is not How.CONSTANT:
            passed = _passed_flag(module, call, said, where)
            if passed is None:
                continue
            flag = passed
        elif where is Where.GRAPH and _is_named(said):
            continue  # it may well be a switch that is meant to be edited
        assert said.node is not None
        if where is Where.GRAPH and fitted is None:
            fitted = fitted_graph(module)
        if where is not None:
            yield Flagged(
                value=flag,
                call=call,
                node=said.node,
                where=where,
                is_layer=is_layer,
                is_function=_is_function(module, call),
                kept_still=_is_kept_still(module, call, in_sight=bool(helper)),
                maybe_frozen=_maybe_frozen(module, call),
                fitted=where is Where.GRAPH and call in (fitted or ()),
                noisy=where is Where.GRAPH and _has_endless_dropout(module),
                in_training=_stands_beside_optimizer(module, call),
                by_default_of=helper,
            )


def flag_left_out(module: Module, flagged: Flagged) -> Fix | None:
    """Leaves the phase to the caller; it is not safe, as the flag may be meant.

    A BN layer that calls its base must pass the phase on, for nothing else does.
    """
    if not calls_base(module, flagged.call):
        return without_argument(module, flagged.call, flagged.node, safe=False)
    function = module.scopes.enclosing_function(flagged.call)
    passing = f"{FLAG}={FLAG}"
    if (
        not isinstance(flagged.node, ast.keyword)
        or function is None
        or FLAG not in parameters(function)
        or ast.unparse(flagged.node) == passing
    ):
        return None
    return Fix((Edit(module.location(flagged.node), passing),), safe=False)


def _is_kept_still(module: Module, call: ast.Call, in_sight: bool) -> bool:
    """Whether its name says so, or it is or may be trained already.

    Of a network that is handed in nobody knows, unless what is handed in is in sight.
    """
    trained = any(
        (isinstance(each, Parameter) and not in_sight) or _has_weights(each)
        for each in values(module, call.func)
    )
    return trained or hints.keeps_still(ast.unparse(call.func))


def _has_weights(network: Value) -> bool:
    """Whether it is a network of keras.applications that comes with its weights."""
    match network:
        case Result(of=Known(name), call=made) if names.is_application(name):
            given = keyword(made, "weights")
            return not (isinstance(given, ast.Constant) and given.value is None)
    return False


def _maybe_frozen(module: Module, call: ast.Call) -> bool:
    """Whether something is frozen here of which it is not known what it covers."""
    if freezes(module).covers(call.func):
        return False  # frozen, and set free again
    if module.may_hide("trainable"):
        return True
    return bool(freezes(module).frozen) or any(
        "freez" in name for name in module.calls_by_name
    )


def _has_endless_dropout(module: Module) -> bool:
    """Whether a dropout layer is called with a constant `training=True`."""
    return any(
        isinstance(value, Result)
        and isinstance(value.of, Known)
        and names.DROPOUT in names.holds(value.of.name)
        for call in module.calls
        if keyword(call, FLAG) is not None and says(module, call).is_constant(True)
        for value in values(module, call.func)
    )


def _stands_beside_optimizer(module: Module, call: ast.Call) -> bool:
    function = module.scopes.enclosing_function(call)
    return function is not None and any(
        module.scopes.enclosing_function(other) is function
        for word in ("minimize", "compute_gradients", "apply_gradients")
        for other in module.calls_by_name.get(word, ())
    )


def _is_function(module: Module, call: ast.Call) -> bool:
    """Whether it is BN as a function of TensorFlow 1, or `functools.partial` of one."""
    found = values(module, call.func)
    if Known("functools.partial") in found and call.args:
        found = values(module, call.args[0])
    return any(
        isinstance(each, Known) and each.name in names.BATCH_NORM_FUNCTIONS
        for each in found
    )


def _flag_of(module: Module, call: ast.Call) -> Said | None:
    """What the call says, by the flag that it has, unless it says nothing."""
    match call:
        case ast.Call(args=[_, ast.Constant(value=bool() | None), *_]):
            pass
        case _ if not any(
            each.arg in (FLAG, FLAG_OF_FUNCTIONS) for each in call.keywords
        ):
            return None  # most calls, spared the search for what they call
    for name in (FLAG, FLAG_OF_FUNCTIONS):
        said = says(module, call, name=name)
        given = isinstance(said.node, ast.keyword) and said.node.arg == name
        if given or (name == FLAG and said.how is How.CONSTANT):
            return said
    return None


def _is_named(said: Said) -> bool:
    return isinstance(getattr(said.node, "value", None), ast.Name)


def _passed_flag(
    module: Module, call: ast.Call, said: Said, where: Where | None
) -> bool | None:
    """The one flag that a parameter, or an attribute, is always given; None else.

    In a `call` that is only asked of a BN layer that calls what it extends.
    """
    if not isinstance(said.node, ast.keyword) or _is_function(module, call):
        return None
    value = said.node.value
    if where is Where.GRAPH:
        if said.how is not How.PASSED_ON and not isinstance(value, ast.Attribute):
            return None
        found = constants_of(module, value)
        return found[0] if found in ([True], [False]) else None  # type: ignore[return-value]
    is_switch = said.how is How.SOMETHING and calls_base(module, call)
    return True if is_switch and True in constants_of(module, value) else None


def _is_left_at_false(module: Module, said: Said) -> bool:
    """Whether a method that `call` uses passes on its own False, which no call changes.

    Whatever else may call it, or hand it to something that does, leaves that open.
    """
    method = said.function
    if said.how is not How.PASSED_ON or not isinstance(method, ast.FunctionDef):
        return False
    if method.name in ("call", "__call__") or said.packed:
        return False
    match default_of(method, said.parameter):
        case ast.Constant(value=False):
            pass
        case _:
            return False
    named = [
        each for each in module.scopes.of(ast.Attribute) if each.attr == method.name
    ]
    calls = calls_of(module, method)
    return (
        0 < len(calls) == len(named)
        and all(
            argument_for(call, method, said.parameter, skipped) is None
            and not unpacks(call)
            for call, skipped in calls
        )
        and not _is_used_elsewhere(module, method.name)
    )


def _is_used_elsewhere(module: Module, name: str) -> bool:
    """Whether another file may use that method; so it is in a project too large."""
    use = re.compile(rf"\.\s*{name}\b|[\"']{name}[\"']")
    texts = list(module.project.texts())
    others = [each for each in texts if each != module.text]
    return not texts or any(use.search(each) for each in others)


def calls_base(module: Module, call: ast.Call) -> bool:
    """Whether a BN layer calls the BN layer that it extends."""
    return any(
        isinstance(value, Known)
        and value.name.rpartition(".")[0] in names.BATCH_NORM_LAYERS
        and value.name.endswith((".call", ".__call__"))
        for value in values(module, call.func)
    )


def _is_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether a BN layer is called, or a function of TensorFlow 1 that is one."""
    if _is_function(module, call):
        return bool(call.keywords)  # its second argument is not the flag
    if calls_base(module, call):
        # A layer that extends BN to keep it still says so by False.
        said = says(module, call)
        return not (said.how is How.CONSTANT and not said.flag)
    for value in values(module, call.func):
        if isinstance(value, Result) and batch_norm_name(value.of) is not None:
            frozen = freezes(module).for_good(call.func)
            return not frozen and keyword(value.call, "trainable") is None
    return False


def _is_network(module: Module, call: ast.Call) -> bool:
    """Whether an instance is called that holds BN."""
    if keyword(call, FLAG) is None or last_word(call.func) == "stateless_call":
        return False
    makers = (Known, Class, Routine)
    if any(isinstance(each, makers) for each in values(module, call.func)):
        return False
    even_frozen = not freezes(module).for_good(call.func)
    return names.BATCH_NORM in holds(module, call.func, even_frozen)


def _where(module: Module, call: ast.Call, is_layer: bool) -> Where | None:
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if function is not None and owner is not None:
        of = Class(module, owner)
        if keras_kind(of) is not None and function in _of_call(of):
            settled = _depends_on_phase(module, call, function)
            return (
                None
                if settled or _called_otherwise(module, call, owner)
                else Where.CALL
            )
    if isinstance(function, ast.Lambda) or _depends_on_phase(module, call, function):
        return None
    if _is_function(module, call):
        return None if _other_phase_beside(module, call) else Where.GRAPH
    if _is_discarded(module, call):
        return None
    return Where.GRAPH if builds_graph(module, call, is_layer) else None


def _of_call(of: Class) -> list[Function]:
    return [each.node for each in reached(of, "call")]


def _depends_on_phase(
    module: Module, call: ast.Call, function: Function | None
) -> bool:
    """Whether a branch around the call asks for the phase."""
    inner: ast.AST = call
    for outer in module.scopes.ancestors(call):
        if outer is function:
            break
        match outer:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                if inner is not test and _asks_for_phase(module, test):
                    return True
        inner = outer
    around = module.scopes.names_around(call)
    name = getattr(function, "name", "")
    return hints.is_meant_random(name) or any(map(hints.is_test, around))


def _is_discarded(module: Module, call: ast.Call) -> bool:
    """Whether only weights are made: `_ = model(inputs, training=False)`."""
    match module.scopes.parents.get(call):
        case ast.Expr() | ast.Assign(targets=[ast.Name(id="_")]):
            return True
    return False


def _other_phase_beside(module: Module, call: ast.Call) -> bool:
    """Whether the same function or class builds BN for the other phase as well.

    `tf.cond` then chooses between the two, or each has a graph of its own.
    """
    around = [
        outer
        for outer in module.scopes.ancestors(call)
        if isinstance(outer, ast.FunctionDef | ast.ClassDef)
    ]
    own = _flag_of(module, call)
    for other in module.calls:
        flag = _flag_of(module, other)
        if around and flag and own and flag.is_constant(not own.flag):
            inside = around[-1] in module.scopes.ancestors(other)
            if inside and _is_function(module, other):
                return True
    return False


def _asks_for_phase(module: Module, test: ast.expr) -> bool:
    meaning = ast.unparse(local_value(module, test))
    if "signature" in meaning:
        return False  # it asks whether the layer takes a flag at all
    return hints.speaks_of_phase(ast.unparse(test))


def _called_otherwise(module: Module, call: ast.Call, owner: ast.ClassDef) -> bool:
    """Whether the class calls the same with another flag elsewhere, so knows of it."""
    if hints.is_meant_random(owner.name) or _only_infers(module, owner):
        return True
    called = ast.unparse(call.func)
    own = keyword(call, FLAG)
    for other in module.calls:
        flag = keyword(other, FLAG)
        if other is call or flag is None or own is None:
            continue
        if not owner.lineno <= other.lineno <= (owner.end_lineno or owner.lineno):
            continue
        if ast.dump(flag) != ast.dump(own) and ast.unparse(other.func) == called:
            return True
    return False


def _only_infers(module: Module, owner: ast.ClassDef) -> bool:
    """Whether its name says so, and nothing in sight fits it."""
    return (
        hints.only_infers(owner.name) or hints.evaluates(owner.name)
    ) and not usage_of(module, Class(module, owner)).fitted
