"""Calls of BN, or of a network with BN, that write `training` out as a constant."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from . import names
from .batch_norms import batch_norm_name
from .classes import keras_kind, keyword, reached
from .contents import holds
from .resolve import calls_of, values
from .scopes import Function, Kind
from .values import Class, Known, Result, Routine, Self, argument_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_ABOUT_PHASE = re.compile(r"train|infer|eval|test|phase|mode|freez|frozen", re.I)
# Networks that are meant to keep still, or to stay in training mode.
_KEPT_STILL = re.compile(
    r"teacher|target|ema|momentum|frozen|freeze|pretrain|backbone|base|extract|vgg"
    r"|resnet|encoder_k|perceptual|reference|anchor|infer|predict",
    re.I,
)
_MEANT_RANDOM = re.compile(r"mc|monte|bayes|uncertain|stochastic|augment", re.I)


class Where(Enum):
    """What surrounds a call."""

    CALL = auto()  # the `call` of a Keras class, or a method it uses
    GRAPH = auto()  # the building of a Functional graph


@dataclass(frozen=True)
class Flagged:
    """A call with a constant flag.

    Attributes:
        value: the flag.
        node: the argument that gives it.
        called: what is called.
        where: whether it is in a `call` or builds a graph.
        is_layer: whether BN itself is called, not a network that holds BN.
        is_function: whether it is BN as a function of TensorFlow 1.
        kept_still: whether names say that the network is not meant to learn.
        maybe_frozen: whether the module freezes something that may be this.
    """

    value: bool | None
    node: ast.AST
    called: ast.expr
    where: Where
    is_layer: bool
    is_function: bool
    kept_still: bool
    maybe_frozen: bool


def flagged_calls(module: Module) -> Iterator[Flagged]:
    """Every call of BN, or of what holds BN, with a constant flag."""
    for call in module.calls:
        argument = _flag_of(call)
        if argument is None:
            continue
        is_layer = _is_batch_norm(module, call)
        if not is_layer and not _is_network(module, call):
            continue
        where = _where(module, call, is_layer)
        if where is not None:
            flag = argument.value
            assert flag is None or isinstance(flag, bool | ast.Constant)
            yield Flagged(
                value=flag.value if isinstance(flag, ast.Constant) else flag,
                node=argument,
                called=call.func,
                where=where,
                is_layer=is_layer,
                is_function=_is_function(module, call),
                kept_still=bool(_KEPT_STILL.search(ast.unparse(call.func))),
                maybe_frozen=_maybe_frozen(module, call),
            )


def _maybe_frozen(module: Module, call: ast.Call) -> bool:
    """Whether something is frozen here of which it is not known what it covers."""
    if module.freezes.covers(call.func):
        return False  # frozen, and set free again
    return bool(module.freezes.frozen) or any(
        "freez" in name for name in module.calls_by_name
    )


def _is_function(module: Module, call: ast.Call) -> bool:
    return any(
        isinstance(each, Known) and each.name in names.BATCH_NORM_FUNCTIONS
        for each in values(module, call.func)
    )


def _flag_of(call: ast.Call) -> ast.keyword | ast.Constant | None:
    """The argument that is a constant flag."""
    for each in call.keywords:
        if each.arg in ("training", "is_training") and _is_flag(each.value):
            return each
    if len(call.args) > 1 and _is_flag(call.args[1]):
        assert isinstance(call.args[1], ast.Constant)
        return call.args[1]
    return None


def _is_flag(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (
        node.value is None or isinstance(node.value, bool)
    )


def _is_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether a BN layer is called, or a function of TensorFlow 1 that is one."""
    if _is_function(module, call):
        return bool(call.keywords)  # its second argument is not the flag
    for value in values(module, call.func):
        if isinstance(value, Result) and batch_norm_name(value.of) is not None:
            frozen = module.freezes.for_good(call.func)
            return not frozen and keyword(value.call, "trainable") is None
    return False


def _is_network(module: Module, call: ast.Call) -> bool:
    """Whether an instance is called that holds BN."""
    if keyword(call, "training") is None:
        return False
    makers = (Known, Class, Routine)
    if any(isinstance(each, makers) for each in values(module, call.func)):
        return False
    even_frozen = not module.freezes.for_good(call.func)
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
    return Where.GRAPH if _is_symbolic(module, call, is_layer) else None


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
        if (
            isinstance(outer, ast.If | ast.IfExp | ast.While)
            and inner is not outer.test
        ):
            if _ABOUT_PHASE.search(ast.unparse(outer.test)):
                return True
        inner = outer
    name = getattr(function, "name", "")
    return bool(_MEANT_RANDOM.match(name)) or name.startswith("test")


def _called_otherwise(module: Module, call: ast.Call, owner: ast.ClassDef) -> bool:
    """Whether the class calls the same with another flag elsewhere, so knows of it."""
    if _MEANT_RANDOM.search(owner.name):
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


def _is_symbolic(module: Module, call: ast.Call, is_layer: bool) -> bool:
    """Whether the call is applied to a tensor of a graph that is being built."""
    if _is_function(module, call):
        return True
    inputs = call.args[:1] or [each.value for each in call.keywords[:1]]
    found = [_origin(module, each, set()) for each in inputs]
    if True in found:
        return True
    # A helper that builds its BN on the spot can hardly serve anything else.
    return is_layer and isinstance(call.func, ast.Call) and None in found


def _origin(module: Module, expression: ast.expr, visited: set[ast.AST]) -> bool | None:
    """Whether a tensor comes from `keras.Input`; None if from an unknown caller."""
    if expression in visited or len(visited) > 500:
        return False
    visited.add(expression)
    match expression:
        case ast.Attribute(attr="output" | "outputs" | "input" | "inputs"):
            return not isinstance(expression.value, ast.Name) or not any(
                isinstance(each, Self) for each in values(module, expression.value)
            )
        case ast.Call():
            for value in values(module, expression.func):
                if value == Known("keras.layers.Input"):
                    return True
            sources = [*expression.args, *(each.value for each in expression.keywords)]
        case ast.Name():
            return _origin_of_name(module, expression, visited)
        case _:
            children = ast.iter_child_nodes(expression)
            sources = [each for each in children if isinstance(each, ast.expr)]
    return _any(_origin(module, each, visited) for each in sources)


def _origin_of_name(
    module: Module, name: ast.Name, visited: set[ast.AST]
) -> bool | None:
    found = module.scopes.lookup(name)
    sources: list[bool | None] = []
    for binding in found[1] if found else ():
        if binding.kind in (Kind.VALUE, Kind.ITEM):
            assert isinstance(binding.node, ast.expr)
            sources.append(_origin(module, binding.node, visited))
        elif binding.kind is Kind.PARAMETER:
            assert isinstance(binding.place, Function)
            assert isinstance(binding.node, ast.arg)
            calls = calls_of(module, binding.place)
            passed = [
                argument_for(call, binding.place, binding.node.arg, skipped)
                for call, skipped in calls
            ]
            sources += [
                _origin(module, each, visited) for each in passed if each is not None
            ]
            sources += [None] if not calls else []
    return _any(sources)


def _any(answers: Iterator[bool | None] | list[bool | None]) -> bool | None:
    known = list(answers)
    if True in known:
        return True
    return None if None in known else False
