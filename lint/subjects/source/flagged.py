"""Calls of BN, or of a network with BN, that write `training` out as a constant."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from .. import names
from .batch_norms import batch_norm_name
from .classes import keras_kind, keyword, reached
from .contents import holds
from .edits import without_argument
from .frozen import freezes
from .memo import found_once
from .resolve import values
from .scopes import Binding, Kind
from .symbolic import builds_graph, fitted_graph
from .values import Class, Known, Parameter, Result, Routine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...findings import Fix
    from .module import Module
    from .scopes import Function
    from .values import Value

_FLAG = r"(?:True|False|None)\b"
_ANY_FLAG = re.compile(rf"training\s*=\s*\w|,\s*{_FLAG}")
_ABOUT_PHASE = re.compile(r"train|infer|eval|test|phase|mode(?!l)|freez|frozen", re.I)
# Networks that are meant to keep still, or to stay in training mode.
_KEPT_STILL = re.compile(
    r"teacher|target|ema|momentum|frozen|freeze|pretrain|backbone|base|extract|vgg"
    r"|resnet|encoder_k|perceptual|reference|anchor|infer|predict",
    re.I,
)
_MEANT_RANDOM = re.compile(
    r"MC|Mc(?=[A-Z])|(^|_)mc_|[Mm]onte|[Bb]ayes|[Uu]ncertain|[Ss]tochastic|[Aa]ugment"
)

# Wrappers of a trained network.
_ONLY_INFERS = re.compile(r"infer|serv|export|predict|evaluat|deploy", re.I)


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


@found_once
def flagged_calls(module: Module) -> Iterator[Flagged]:
    """Every call of BN, or of what holds BN, with a constant flag."""
    if not module.matches(_ANY_FLAG):
        return
    fitted: set[ast.AST] | None = None
    for call in module.calls:
        given = _flag_of(module, call)
        if given is None:
            continue
        is_layer = _is_batch_norm(module, call)
        if not is_layer and not _is_network(module, call):
            continue
        where = _where(module, call, is_layer)
        node, flag = given
        if where is Where.GRAPH and isinstance(getattr(node, "value", None), ast.Name):
            continue  # it may well be a switch that is meant to be edited
        if where is Where.GRAPH and fitted is None:
            fitted = fitted_graph(module)
        if where is not None:
            yield Flagged(
                value=flag,
                call=call,
                node=node,
                where=where,
                is_layer=is_layer,
                is_function=_is_function(module, call),
                kept_still=_is_kept_still(module, call),
                maybe_frozen=_maybe_frozen(module, call),
                fitted=where is Where.GRAPH and call in (fitted or ()),
                noisy=where is Where.GRAPH and _has_endless_dropout(module),
                in_training=_stands_beside_optimizer(module, call),
            )


def flag_left_out(module: Module, flagged: Flagged) -> Fix | None:
    """Leaves the phase to the caller; it is not safe, as the flag may be meant."""
    return without_argument(module, flagged.call, flagged.node, safe=False)


def _is_kept_still(module: Module, call: ast.Call) -> bool:
    """Whether its name says so, or it is or may be trained already."""
    trained = any(
        isinstance(each, Parameter) or _has_weights(each)
        for each in values(module, call.func)
    )
    return trained or bool(_KEPT_STILL.search(ast.unparse(call.func)))


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
        if _is_true(keyword(call, "training"))
        for value in values(module, call.func)
    )


def _stands_beside_optimizer(module: Module, call: ast.Call) -> bool:
    function = module.scopes.enclosing_function(call)
    return function is not None and any(
        module.scopes.enclosing_function(other) is function
        for word in ("minimize", "compute_gradients", "apply_gradients")
        for other in module.calls_by_name.get(word, ())
    )


def _is_true(expression: ast.expr | None) -> bool:
    return isinstance(expression, ast.Constant) and expression.value is True


def _is_function(module: Module, call: ast.Call) -> bool:
    """Whether it is BN as a function of TensorFlow 1, or `functools.partial` of one."""
    found = values(module, call.func)
    if Known("functools.partial") in found and call.args:
        found = values(module, call.args[0])
    return any(
        isinstance(each, Known) and each.name in names.BATCH_NORM_FUNCTIONS
        for each in found
    )


def _flag_of(module: Module, call: ast.Call) -> tuple[ast.AST, bool | None] | None:
    """The argument that is a constant flag, and the flag."""
    for each in call.keywords:
        if each.arg in ("training", "is_training"):
            match _local_value(module, each.value):
                case ast.Constant(value=0 | 1 | None as flag):
                    return each, None if flag is None else bool(flag)
            return None  # what stands second is something else then
    match call.args:
        case [_, ast.Constant(value=bool() | None as flag) as argument, *_]:
            return argument, flag
    return None


def _local_value(module: Module, expression: ast.expr) -> ast.AST:
    """What the expression stands for: a name's only value within its function."""
    if isinstance(expression, ast.Name):
        match module.scopes.lookup(expression):
            case scope, [Binding(kind=Kind.VALUE, node=node)] if (
                scope is module.scopes.scope_of(expression)
            ):
                return node
    return expression


def _is_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether a BN layer is called, or a function of TensorFlow 1 that is one."""
    if _is_function(module, call):
        return bool(call.keywords)  # its second argument is not the flag
    for value in values(module, call.func):
        if isinstance(value, Result) and batch_norm_name(value.of) is not None:
            frozen = freezes(module).for_good(call.func)
            return not frozen and keyword(value.call, "trainable") is None
    return False


def _is_network(module: Module, call: ast.Call) -> bool:
    """Whether an instance is called that holds BN."""
    if keyword(call, "training") is None:
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
    around = [getattr(each, "name", "") for each in module.scopes.ancestors(call)]
    name = getattr(function, "name", "")
    return bool(_MEANT_RANDOM.search(name)) or any(
        each.startswith("test") for each in around
    )


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
        if around and flag and own and flag[1] is (not own[1]):
            inside = around[-1] in module.scopes.ancestors(other)
            if inside and _is_function(module, other):
                return True
    return False


def _asks_for_phase(module: Module, test: ast.expr) -> bool:
    meaning = ast.unparse(_local_value(module, test))
    if "signature" in meaning:
        return False  # it asks whether the layer takes a flag at all
    return bool(_ABOUT_PHASE.search(ast.unparse(test)))


def _called_otherwise(module: Module, call: ast.Call, owner: ast.ClassDef) -> bool:
    """Whether the class calls the same with another flag elsewhere, so knows of it."""
    if _MEANT_RANDOM.search(owner.name) or _ONLY_INFERS.search(owner.name):
        return True
    called = ast.unparse(call.func)
    own = keyword(call, "training")
    for other in module.calls:
        flag = keyword(other, "training")
        if other is call or flag is None or own is None:
            continue
        if not owner.lineno <= other.lineno <= (owner.end_lineno or owner.lineno):
            continue
        if ast.dump(flag) != ast.dump(own) and ast.unparse(other.func) == called:
            return True
    return False
