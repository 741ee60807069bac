"""Layers and results that nothing uses: what they are, and what shows it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.limits import TENSORS_BETWEEN
from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.uses import is_open, is_read_after, statement_of, uses_of
from ..reading.values import Class
from ..resolving.classes import keras_kind
from ..resolving.saying import FLAG, How, says
from .applied import is_layer, is_small

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


class Loss(Enum):
    """The way in which a result is lost."""

    NOT_ADDED = auto()  # a layer is made by a statement that does nothing with it
    NOT_CALLED = auto()  # a layer is made and kept under a name that nothing reads
    DROPPED = auto()  # a layer is called by such a statement
    NOT_READ = auto()  # its result gets a name that nothing reads
    PASSES_OVER = auto()  # it reads another tensor than the one just made
    NEVER_CALLED = auto()  # a class keeps a layer that none of its methods calls
    NOT_FED = auto()  # its result has a name that no layer is fed


@dataclass(frozen=True)
class Unused:
    """A layer, or its result, that nothing uses.

    Attributes:
        node: the call that makes or applies it, or the name of its result.
        kind: its kind.
        loss: the way in which it is lost.
        name: the name that nothing reads, if there is one.
        instead: the tensor that is read instead of it, or by it.
        is_sure: whether it is surely a mistake, and no mere leftover.
    """

    node: ast.expr
    kind: str
    loss: Loss
    name: str = ""
    instead: str = ""
    is_sure: bool = True


def mentions_layers(module: Module) -> bool:
    """Whether the module may use batch normalization or dropout."""
    text = module.text
    found = names.mentions_batch_norm(text) or names.mentions_dropout(text)
    return found and (
        names.mentions_batch_norm(module.code) or names.mentions_dropout(module.code)
    )


def may_be_layer(called: ast.expr) -> bool:
    """Whether something written so may make a layer or be one; methods are not."""
    match called:
        case ast.Name() | ast.Call() | ast.Subscript():
            return True
        case ast.Attribute(value=ast.Name(id="self")):
            return True
        case ast.Attribute(attr=name):
            return hints.is_named_for_phase(name)
    return False


def read_on(module: Module, statement: ast.stmt, call: ast.Call) -> Iterator[str]:
    """The tensors that a call is given and that are read after it as they were."""
    for given in (*call.args, *(keyword.value for keyword in call.keywords)):
        for node in ast.walk(given):
            if (
                isinstance(node, ast.Name)
                and _is_tensor(module, node, call)
                and _comes_from_layer(module, node)
                and is_read_after(module, node, statement)
            ):
                yield node.id


def _is_tensor(module: Module, name: ast.Name, call: ast.Call) -> bool:
    """Whether a name within a call stands for what goes through the layers."""
    node: ast.AST = name
    for outer in module.scopes.ancestors(name):
        if isinstance(outer, ast.Call):
            first = [*outer.args[:1]] or [
                word.value for word in outer.keywords if word.arg in ("inputs", "x")
            ]
            if node not in first:
                return False
            if outer is call:
                return True
        elif not isinstance(outer, ast.List | ast.Tuple | ast.keyword) and not (
            isinstance(outer, ast.Attribute) and outer.attr == "output"
        ):
            return False
        node = node if isinstance(outer, ast.keyword) else outer
    return False


def _comes_from_layer(module: Module, name: ast.Name) -> bool:
    """Whether a layer made it; in functions, that is taken for granted."""
    found = module.scopes.lookup(name)
    if found is None or found[0] is not module.scopes.top:
        return True
    return any(
        isinstance(binding.node, ast.Call) and is_layer(module, binding.node)
        for binding in found[1]
    )


def is_meant(module: Module, call: ast.Call, kind: str) -> bool:
    """Whether it is called to build it, or to move its statistics.

    That is seen by `training=True`, which says nothing of it where a layer or a model
    is itself called, or by what else is asked of the layer.
    """
    if kind != names.BATCH_NORM:
        return False
    said = says(module, call, name=FLAG)
    if said.how is How.CONSTANT and said.flag is True:
        return not _is_in_call(module, call)
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _asked_for_more(module)
    return False


def _is_in_call(module: Module, node: ast.AST) -> bool:
    """Whether it stands in the `call` of a layer or a model."""
    function = module.scopes.enclosing_function(node)
    owner = None if function is None else module.owner_of(function)
    return (
        owner is not None
        and getattr(function, "name", "") == "call"
        and keras_kind(Class(module, owner)) is not None
    )


@remembered
def _asked_for_more(module: Module) -> frozenset[str]:
    """The last words of what other code asks something of: `bn.moving_mean`."""
    return frozenset(
        last_word(node.value)
        for node in module.scopes.of(ast.Attribute)
        if isinstance(node.value, ast.Name | ast.Attribute)
    )


def reaches_nothing(
    module: Module, name: ast.Name, seen: frozenset[ast.AST] = frozenset()
) -> bool:
    """Whether a name is read by nothing, or by small layers that lead nowhere."""
    if name in seen:
        return True
    seen |= {name}
    return (
        len(seen) <= TENSORS_BETWEEN
        and all(
            _leads_nowhere(module, use, seen)
            for use in uses_of(module, name, statement_of(module, name))
        )
        and not is_open(module, name)
    )


def _leads_nowhere(module: Module, use: ast.Name, seen: frozenset[ast.AST]) -> bool:
    call = module.scopes.parents.get(use)
    match call, module.scopes.parents.get(call) if call else None:
        case ast.Call(args=[first, *_]), ast.Assign(targets=[ast.Name() as target]):
            assert isinstance(call, ast.Call)
            return (
                first is use
                and is_small(module, call)
                and reaches_nothing(module, target, seen)
            )
    return False
