"""The surroundings of a call with a constant flag, if the flag counts there."""

from __future__ import annotations

import ast
from enum import Enum, auto
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.nodes import last_word
from ..reading.uses import is_read
from ..reading.values import Class
from ..resolving.classes import instance_of, keras_kind, keyword, reached
from ..resolving.handles import name_of
from ..resolving.saying import FLAG, local_value, says
from ..resolving.symbolic import builds_graph
from ..statistics.batch_norm_calls import flag_of, is_function
from .usage import usage_of

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.nodes import Function


_BUILDING = ("Model", "Sequential", "compile", "fit")


class FlagPlace(Enum):
    """The surroundings of a call."""

    CALL = auto()  # the `call` of a Keras class, or a method it uses
    GRAPH = auto()  # the building of a Functional graph


def flag_place(module: Module, call: ast.Call, is_layer: bool) -> FlagPlace | None:
    """Return the surroundings of a call; None if a flag does not count there."""
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if function is not None and owner is not None:
        cls = instance_of(module, owner)
        if keras_kind(cls) is not None and function in _of_call(cls):
            settled = _depends_on_phase(module, call, function, is_layer)
            return (
                None
                if settled or _called_otherwise(module, call, owner)
                else FlagPlace.CALL
            )
    unnamed = isinstance(function, ast.Lambda) and not name_of(module, function)
    if unnamed or _depends_on_phase(module, call, function, is_layer):
        return None
    if is_function(module, call):
        return None if _other_phase_beside(module, call) else FlagPlace.GRAPH
    if _is_discarded(module, call, is_layer) or _is_only_shown(module, call):
        return None
    return FlagPlace.GRAPH if builds_graph(module, call, is_layer) else None


def _of_call(cls: Class) -> list[Function]:
    names = ("call", "__call__")
    return [routine.node for name in names for routine in reached(cls, name)]


def _depends_on_phase(
    module: Module, call: ast.Call, function: Function | None, is_layer: bool
) -> bool:
    """Whether a branch around the call depends on the phase.

    A layer that gets False in the branch for training is not meant to.
    """
    off = is_layer and says(module, call).is_constant(False)
    inner: ast.AST = call
    for outer in module.scopes.ancestors(call):
        if outer is function:
            break
        match outer:
            case ast.If(test=test, body=body) if (
                off and inner in body and _is_for_training(test)
            ):
                pass
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                if inner is not test and _asks_for_phase(module, test):
                    return True
        inner = outer
    around = module.scopes.names_around(call)
    name = getattr(function, "name", "")
    return hints.is_meant_random(name) or any(map(hints.is_test, around))


def _is_discarded(module: Module, call: ast.Call, is_layer: bool) -> bool:
    """Whether only weights are made: `_ = model(inputs, training=False)`."""
    match module.scopes.parents.get(call):
        case ast.Expr() | ast.Assign(targets=[ast.Name(id="_")]):
            return True
        case ast.Assign(targets=[ast.Name() as name]):
            inside = module.scopes.enclosing_function(call) is not None
            return inside and not is_layer and not is_read(module, name)
    return False


def _is_only_shown(module: Module, call: ast.Call) -> bool:
    """Whether it stands in a demonstration, under `__main__`, that builds no network.

    As in `print(net(keras.Input((4,)), training=False).shape)`.
    """
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.If) and "__name__" in ast.unparse(outer.test):
            return not any(
                isinstance(inner, ast.Call) and last_word(inner.func) in _BUILDING
                for inner in ast.walk(outer)
            )
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
    own = flag_of(module, call)
    for other in module.calls:
        flag = flag_of(module, other)
        if around and flag and own and flag.is_constant(not own.flag):
            inside = around[-1] in module.scopes.ancestors(other)
            if inside and is_function(module, other):
                return True
    return False


def _is_for_training(test: ast.expr) -> bool:
    """Whether it is `mode == "train"`, or a flag of the phase alone."""
    match test:
        case ast.Compare(
            ops=[ast.Eq()], comparators=[ast.Constant(value=str() as phase)]
        ):
            return phase.lower() in ("train", "training")
        case ast.Name() | ast.Attribute():
            return hints.is_training_flag(last_word(test))
    return False


def _asks_for_phase(module: Module, test: ast.expr) -> bool:
    meaning = ast.unparse(local_value(module, test))
    if "signature" in meaning:
        return False  # it asks whether the layer takes a flag at all
    return hints.speaks_of_phase(ast.unparse(test))


def _called_otherwise(module: Module, call: ast.Call, owner: ast.ClassDef) -> bool:
    """Whether the class calls the same layer with another flag elsewhere."""
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
    """Whether its name, or its file's, says so, and nothing in sight fits it."""
    around = (module.path.stem, module.path.parent.name)
    return (
        hints.only_infers(owner.name)
        or hints.evaluates(owner.name)
        or any(hints.only_infers(name) and "train" not in name for name in around)
    ) and not usage_of(module, Class(module, owner)).fitted
