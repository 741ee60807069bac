"""Changes of what is trainable: by assignment, layer by layer, or by a helper."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.memo import found_once, remembered
from ..reading.nodes import start
from ..reading.reach import may_reach
from ..reading.values import Routine, argument_for, default_of, parameters
from ..resolving.resolve import values
from ..resolving.switches import constants_of
from .layers_of import looped_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function, Position
    from .layers_of import Layers

_BY_NAME = re.compile(
    r"\.trainable\s*=\s*(?!True\b|False\b)\w+\s*$|[\"\']trainable[\"\'],\s*\w+\)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Freezing:
    """A network that becomes trainable, or no longer is.

    Attributes:
        node: the assignment, or the call of `setattr` or of a helper.
        network: the network.
        value: True or False; None if it may be either.
        by_layer: whether it goes through the layers.
        is_partial: whether it may leave out some of the layers that learn.
        spares_batch_norm: whether it leaves out batch normalization.
    """

    node: ast.Assign | ast.Call
    network: ast.expr
    value: bool | None
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
    for node, network, given in settings(module):
        if _is_of_caller(module, node, network, given):
            continue
        value = constant_of(module, given)
        layers = loop = None
        if isinstance(network, ast.Name):
            layers = looped_over(module, network)
            loop = module.scopes.loop_of(network)
        if layers is not None:
            yield _layer_by_layer(module, node, layers, value)
        elif loop is not None:
            yield Freezing(node, network, value, is_partial=_may_skip(loop.iter))
        else:
            yield Freezing(node, network, value)


def _may_skip(held: ast.expr) -> bool:
    """Whether a loop may leave out some of what it names: `for d in some(ds)`."""
    return not isinstance(held, ast.Tuple | ast.List | ast.Name | ast.Attribute)


def settings(
    module: Module,
) -> Iterator[tuple[ast.Assign | ast.Call, ast.expr, ast.expr]]:
    """Yield each place that sets `trainable`, of what, and the value that it gets."""
    for node in module.scopes.of(ast.Assign):
        assert isinstance(node, ast.Assign)
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr == "trainable":
                yield node, target.value, node.value
    for call in module.calls_by_name.get("setattr", ()):
        match call.args:
            case [network, ast.Constant(value="trainable"), given]:
                yield call, network, given


def constant_of(module: Module, given: ast.expr) -> bool | None:
    """What it is set to; None if that depends, or is not known."""
    match given:
        case ast.Constant(value=bool() as value):
            return value
        case ast.Name() | ast.Attribute():
            match constants_of(module, given):
                case [bool() as value]:
                    return value
    return None


def _is_of_caller(
    module: Module, node: ast.AST, network: ast.expr, given: ast.expr
) -> bool:
    """Whether a function sets what it is given, of a network that it is given, too."""
    function = module.scopes.enclosing_function(node)
    return (
        function is not None
        and isinstance(given, ast.Name)
        and given.id in parameters(function)
        and _given_network(module, function, network) is not None
    )


def _given_network(module: Module, function: Function, network: ast.expr) -> str | None:
    """The parameter whose network, or layers, a function changes."""
    if isinstance(network, ast.Name):
        layers = looped_over(module, network)
        network = network if layers is None else layers.network
    match network:
        case ast.Name(id=name) if name in parameters(function):
            return name
    return None


def _layer_by_layer(
    module: Module, node: ast.Assign | ast.Call, layers: Layers, value: bool | None
) -> Freezing:
    """`for layer in network.layers: layer.trainable = False`."""
    condition = module.scopes.parents.get(node)
    is_asked = isinstance(condition, ast.If)
    spares = spares_batch_norm(condition)
    some = bool(layers.parts or layers.tests) or (is_asked and not spares)
    return Freezing(node, layers.network, value, True, some, spares)


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
            if isinstance(value, Routine):
                yield from _by_calling(module, call, value)


def _by_calling(module: Module, call: ast.Call, helper: Routine) -> Iterator[Freezing]:
    skipped = int(helper.owner is not None)
    for name, flag in _set_by(helper.module, helper.node):
        network = argument_for(call, helper.node, name, skipped)
        given = argument_for(call, helper.node, flag, skipped)
        given = given or default_of(helper.node, flag)
        if network is not None and given is not None:
            yield Freezing(call, network, constant_of(module, given))
            return


def _sets_trainable(text: str) -> bool:
    """Whether a source may make something trainable or not by a name's value."""
    return "trainable" in text and _BY_NAME.search(text) is not None


@remembered
def _set_by(module: Module, function: Function) -> list[tuple[str, str]]:
    """The parameters for networks that a function changes, each with its flag."""
    return [
        (name, given.id)
        for node, network, given in settings(module)
        if module.scopes.enclosing_function(node) is function
        and isinstance(given, ast.Name)
        and given.id in parameters(function)
        and (name := _given_network(module, function, network)) is not None
    ]
