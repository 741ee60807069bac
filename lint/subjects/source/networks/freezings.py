"""Changes of what is trainable: by assignment, layer by layer, or by a helper."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.memo import found_once
from ..reading.nodes import start
from ..reading.reach import may_reach
from ..reading.values import Routine, argument_for, default_of, parameters
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function, Position

_BY_NAME = re.compile(r"\.trainable\s*=\s*(?!True\b|False\b)\w+\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Freezing:
    """A network that becomes trainable, or no longer is.

    Attributes:
        node: the assignment, or the call of a helper.
        network: the network.
        value: True or False.
        by_layer: whether it goes through the layers.
        is_partial: whether it may leave out some of the layers that learn.
        spares_batch_norm: whether it leaves out batch normalization.
    """

    node: ast.Assign | ast.Call
    network: ast.expr
    value: bool
    by_layer: bool = False
    is_partial: bool = False
    spares_batch_norm: bool = False

    @property
    def position(self) -> Position:
        """Where it is, which is the same however often the file is read."""
        return start(self.node)


@found_once
def freezings(module: Module) -> Iterator[Freezing]:
    """Yield each change in a module of what is trainable of a network."""
    if module.mentions("trainable"):
        yield from _assigned(module)
        yield from _by_helper(module)


def _assigned(module: Module) -> Iterator[Freezing]:
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=network, attr="trainable")],
                value=ast.Constant(value=bool() as value),
            ):
                loop = (
                    module.scopes.loop_of(network)
                    if isinstance(network, ast.Name)
                    else None
                )
                if loop is None:
                    yield Freezing(node, network, value)
                else:
                    yield from _layer_by_layer(module, node, loop, value)


def _layer_by_layer(
    module: Module, node: ast.Assign, loop: ast.For | ast.AsyncFor, value: bool
) -> Iterator[Freezing]:
    """`for layer in network.layers: layer.trainable = False`."""
    layers, some = loop.iter, False
    while isinstance(layers, ast.Subscript):
        layers, some = layers.value, True
    match layers:
        case ast.Attribute(value=network, attr="layers"):
            condition = module.scopes.parents.get(node)
            spares = spares_batch_norm(condition)
            some = some or not (condition is loop or spares)
            yield Freezing(node, network, value, True, some, spares)
        case _:
            yield Freezing(node, layers, value, is_partial=True)


def spares_batch_norm(condition: ast.AST | None) -> bool:
    """`if not isinstance(layer, BatchNormalization)` leaves out just that."""
    match condition:
        case ast.If(
            test=ast.UnaryOp(
                op=ast.Not(), operand=ast.Call(func=ast.Name(id="isinstance")) as asked
            )
        ):
            return "BatchNorm" in ast.unparse(asked)
    return False


def _by_helper(module: Module) -> Iterator[Freezing]:
    """`set_trainability(network, False)`."""
    if not may_reach(module, _sets_trainable):
        return
    for call in module.calls:
        for value in values(module, call.func) if call.args else ():
            flag = _flag_of(value.node) if isinstance(value, Routine) else None
            if isinstance(value, Routine) and flag is not None:
                skipped = int(value.owner is not None)
                given = argument_for(call, value.node, flag, skipped)
                match given or default_of(value.node, flag):
                    case ast.Constant(value=bool() as constant):
                        yield Freezing(call, call.args[0], constant)


def _sets_trainable(text: str) -> bool:
    """Whether a source may make something trainable or not by a name's value."""
    return "trainable" in text and _BY_NAME.search(text) is not None


def _flag_of(function: Function) -> str | None:
    """The parameter that a function makes something trainable by."""
    given = parameters(function)
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(attr="trainable")], value=ast.Name(id=name)
            ) if name in given:
                return name
    return None
