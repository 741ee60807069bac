"""The network whose layers an expression goes through, and which of them.

`model.layers`, `model.layers[:-4]`, `reversed(model.layers)`, a comprehension or a
`filter` over these, or a variable that holds one.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.values import Routine, argument_for
from ..resolving.local_calls import calls_of
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_ITERATING = ("reversed", "list", "tuple", "sorted", "tqdm")
_NAMES_FOLLOWED = 2


@dataclass(frozen=True)
class Layers:
    """Layers of a network.

    Attributes:
        network: the network.
        parts: the slices that are taken of all of them.
        tests: the conditions that they meet, each with the name it has for a layer.
        is_deep: whether those of networks inside are among them.
    """

    network: ast.expr
    parts: tuple[ast.Slice, ...] = ()
    tests: tuple[tuple[str, ast.expr], ...] = ()
    is_deep: bool = False


def layers_of(module: Module, layers: ast.expr, depth: int = 0) -> Layers | None:
    """Return what an expression that is iterated over goes through; None if unknown."""
    match layers:
        case ast.Attribute(value=network, attr="layers" | "_layers"):
            return Layers(network)
        case (
            ast.Attribute(value=network, attr="submodules")
            | ast.Call(func=ast.Attribute(value=network, attr="_flatten_layers"))
            | ast.Call(func=ast.Attribute(value=network, attr="flatten_layers"))
        ):
            return Layers(network, is_deep=True)
        case ast.Call(func=ast.Name(id=function), args=[inner]) if (
            function in _ITERATING
        ):
            return layers_of(module, inner, depth)
        case ast.Subscript(value=inner, slice=ast.Slice() as part):
            found = layers_of(module, inner, depth)
            return found and replace(found, parts=(*found.parts, part))
        case ast.Call(
            func=ast.Name(id="filter"),
            args=[
                ast.Lambda(args=ast.arguments(args=[ast.arg(arg=name)]), body=test),
                inner,
            ],
        ):
            return _sifted(module, inner, [(name, test)], depth)
        case (
            ast.ListComp(elt=ast.Name(id=kept), generators=[part])
            | ast.SetComp(elt=ast.Name(id=kept), generators=[part])
            | ast.GeneratorExp(elt=ast.Name(id=kept), generators=[part])
        ) if isinstance(part.target, ast.Name) and part.target.id == kept:
            return sifted(module, part, depth)
        case ast.Call(func=ast.Attribute(value=held, attr="values"), args=[]):
            return layers_of(module, held, depth)
        case ast.DictComp(value=ast.Name(id=kept), generators=[part]) if (
            isinstance(part.target, ast.Name) and part.target.id == kept
        ):
            return sifted(module, part, depth)
        case ast.Name() if depth < _NAMES_FOLLOWED:
            match module.scopes.lookup(layers):
                case _, [binding] if binding.kind is Kind.VALUE and isinstance(
                    binding.node, ast.expr
                ):
                    return layers_of(module, binding.node, depth + 1)
    return None


def sifted(module: Module, part: ast.comprehension, depth: int = 0) -> Layers | None:
    """Return the layers in `for layer in model.layers if test(layer)`."""
    match part.target:
        case ast.Name(id=name):
            tests = [(name, test) for test in part.ifs]
            return _sifted(module, part.iter, tests, depth)
    return None


def _sifted(
    module: Module, inner: ast.expr, tests: list[tuple[str, ast.expr]], depth: int
) -> Layers | None:
    found = layers_of(module, inner, depth)
    return found and replace(found, tests=(*found.tests, *tests))


def layers_passed(module: Module, name: ast.Name) -> Iterator[Layers]:
    """Yield the layers that a variable, or parameter, stands for one by one.

    A function may be called for each, or passed to `map`.
    """
    own = looped_over(module, name)
    if own is not None:
        yield own
        return
    function = module.scopes.enclosing_function(name)
    found = module.scopes.lookup(name)
    if function is None or found is None:
        return
    if not any(one.kind is Kind.PARAMETER for one in found[1]):
        return
    for call, skipped in calls_of(module, function):
        passed = argument_for(call, function, name.id, skipped)
        layers = looped_over(module, passed) if isinstance(passed, ast.Name) else None
        if layers is not None:
            yield layers
    for call in module.calls_by_name.get("map", ()):
        match call.args:
            case [mapped, iterated] if any(
                isinstance(value, Routine) and value.node is function
                for value in values(module, mapped)
            ):
                layers = layers_of(module, iterated)
                if layers is not None:
                    yield layers


def looped_over(module: Module, name: ast.Name) -> Layers | None:
    """Return the layers that a variable stands for one by one, in a loop."""
    for outer in module.scopes.ancestors(name):
        match outer:
            case ast.For(target=target, iter=layers) if _sets(target, name):
                return layers_of(module, _counted(layers))
            case ast.ListComp(generators=parts) | ast.GeneratorExp(generators=parts):
                for part in parts:
                    if _sets(part.target, name):
                        return sifted(module, part)
    return None


def _counted(layers: ast.expr) -> ast.expr:
    match layers:
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
            return inner
    return layers


def _sets(target: ast.expr, name: ast.Name) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name.id for node in ast.walk(target)
    )
