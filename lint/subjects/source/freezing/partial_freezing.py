"""Loops over `model.layers` that freeze BN, and miss that of a network inside."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.frozen import freezes
from ..networks.layers_of import Layers, layers_of, sifted
from ..networks.parts import added_under_its_name
from ..reading.keras_versions import keras_for
from ..reading.nodes import start
from ..reading.values import Class, Known, Result
from ..resolving.callers import handed_in
from ..resolving.classes import keras_kind, keyword
from ..resolving.local_calls import calls_of
from ..resolving.resolve import values
from ..resolving.switches import constants_of
from ..resolving.symbolic import network_parts
from ..statistics.conditions_on_layers import is_of_batch_norm
from .sorting import (
    frees,
    leaves_out,
    sets,
    sorted_by_index,
    sorts_out,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_Loop = ast.For | ast.ListComp
_MANY = 10  # layers that hardly a network has around the one inside
_INFERS_WHEN_FROZEN = (2, 4)  # with TensorFlow 2
_WRAPPER = Known("keras.layers.TimeDistributed")
_MODELS = ("keras.Model", "keras.Sequential", "keras.applications.")


def loops_that_miss(module: Module) -> Iterator[tuple[_Loop, str]]:
    """Yield each such loop, with the network inside, as it is called."""
    if not (module.mentions(".layers") and module.mentions("trainable")):
        return
    loops: list[_Loop] = [
        *module.scopes.of(ast.For),
        *module.scopes.of(ast.ListComp),
    ]
    for node in loops:
        network = _network_of(module, node)
        if network is None:
            continue
        places = [(module, network, _runs(module, node))]
        places += [(*handed, handed[1]) for handed in handed_in(module, network)]
        found = (
            _nested(where, given, place if frees(module, node) else None)
            for where, given, place in places
        )
        inner = next(filter(None, found), None)
        if inner is not None and not _goes_through(module, node, inner):
            yield node, inner


def _goes_through(module: Module, loop: _Loop, inner: str) -> bool:
    """Whether a loop around is over the inner one, too: `for net in (model, base)`."""
    return any(
        isinstance(outer, ast.For)
        and isinstance(outer.iter, ast.Tuple | ast.List)
        and inner in map(ast.unparse, outer.iter.elts)
        for outer in module.scopes.ancestors(loop)
    )


def loops_that_leave_out(module: Module) -> Iterator[tuple[ast.For, str]]:
    """Yield each loop that freezes all layers but BN, with the network as written.

    Where frozen BN normalizes by the batch in `fit`, that is right.
    """
    if not (module.mentions(".layers") and module.mentions("trainable")):
        return
    version = keras_for(module).version
    if len(version) > 1 and version < _INFERS_WHEN_FROZEN:
        return
    for node in module.scopes.of(ast.For):
        match node:
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Attribute(value=network, attr="layers")
                | ast.Subscript(value=ast.Attribute(value=network, attr="layers")),
            ) if leaves_out(module, node.body, name):
                yield node, ast.unparse(network)


def _runs(module: Module, loop: _Loop) -> ast.AST:
    """Where a loop runs first: the call of its function, if one is in sight."""
    function = module.scopes.enclosing_function(loop)
    calls = [] if function is None else calls_of(module, function)
    return min((call for call, _ in calls), key=start, default=loop)


def _network_of(module: Module, loop: _Loop) -> ast.expr | None:
    """The network whose layers a loop freezes, or frees, by whether they are BN."""
    match loop:
        case (
            ast.For(target=ast.Name(id=name), iter=iterated)
            | ast.For(
                target=ast.Tuple(elts=[_, ast.Name(id=name)]),
                iter=ast.Call(func=ast.Name(id="enumerate"), args=[iterated, *_]),
            )
        ):
            layers = layers_of(module, iterated)
            if layers is None or not _are_most(module, layers):
                return sorted_by_index(module, loop)
            if layers.tests:
                froze = len(loop.body) == 1 and sets(module, loop.body[0], name, False)
                return layers.network if froze and _are_norms(module, layers) else None
            if sorts_out(module, loop.body, name):
                return layers.network
            return sorted_by_index(module, loop)
        case ast.ListComp(elt=ast.Call() as done, generators=[part]):
            match part.target, sifted(module, part):
                case ast.Name(id=name), Layers() as layers if (
                    sets(module, ast.Expr(done), name, False)
                    and layers.tests
                    and _are_norms(module, layers)
                ):
                    return layers.network
    return None


def _are_norms(module: Module, layers: Layers) -> bool:
    """Whether just the layers that are BN are taken."""
    return all(is_of_batch_norm(module, test, name) for name, test in layers.tests)


def _are_most(module: Module, layers: Layers) -> bool:
    """Whether they are hardly fewer than all beside a network: `model.layers[-20:]`."""
    for part in layers.parts:
        match part:
            case ast.Slice(lower=ast.expr() as first, upper=None, step=None):
                if not _is_long(module, first):
                    return False
            case ast.Slice(lower=None, upper=ast.UnaryOp(op=ast.USub()), step=None):
                pass  # all but the last, which are new
            case _:
                return False
    return not layers.is_deep


def _is_long(module: Module, first: ast.expr) -> bool:
    """Whether the last layers, from that one on, are all those beside a network."""
    if not (isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub)):
        return False
    counts = constants_of(module, first.operand)
    return all(isinstance(one, int) and one >= _MANY for one in counts)


def _nested(module: Module, network: ast.expr, freeing: ast.AST | None) -> str | None:
    """A network with BN that is one layer of another, unless it is frozen.

    That counts only from `freeing` on, the loop by which all else is set free, or what
    is handed to its function.
    """
    for where, inner in _inner_layers(module, network):
        if freeing is not None and freezes(where).covers_after(inner, freeing):
            continue
        held = kinds_held(where, inner, even_frozen=freeing is not None)
        if names.BATCH_NORM not in held:
            continue
        found = values(where, inner)
        if any(isinstance(value, Result) and _is_net(value) for value in found):
            return ast.unparse(inner)
    return None


def _inner_layers(
    module: Module, network: ast.expr
) -> Iterator[tuple[Module, ast.expr]]:
    """What may be one of its layers: all that it calls, lists or is added."""
    for where, part in network_parts(module, network):
        if isinstance(part, ast.Call):
            yield where, part.func
            yield from _wrapped(where, part.func)
        if isinstance(where.scopes.parents.get(part), ast.List):
            yield where, part  # Sequential([base, ...])
    for value in values(module, network):
        if isinstance(value, Result):
            for added in added_under_its_name(value.module, value.call):
                yield value.module, added


def _wrapped(module: Module, layer: ast.expr) -> Iterator[tuple[Module, ast.expr]]:
    """The `base` of `TimeDistributed(base)`, which is one layer as well."""
    for value in values(module, layer):
        if isinstance(value, Result) and value.maker == _WRAPPER:
            for inner in (*value.call.args[:1], keyword(value.call, "layer")):
                if inner is not None:
                    yield value.module, inner


def _is_net(value: Result) -> bool:
    match value.maker:
        case Known(name):
            return name.startswith(_MODELS)
        case Class():
            return keras_kind(value.maker) in ("model", "sequential")
    return False
