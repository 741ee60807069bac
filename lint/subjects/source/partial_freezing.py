"""Loops over `model.layers` that freeze BN, and miss that of a network inside."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .batch_norms import batch_norm_name
from .classes import keras_kind
from .contents import kinds_held
from .resolve import values
from .symbolic import network_parts
from .values import Class, Items, Known, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_MODELS = ("keras.Model", "keras.Sequential", "keras.applications.")


def loops_that_miss(module: Module) -> Iterator[tuple[ast.For, str]]:
    """Yield each such loop, with the network inside, as it is called."""
    if not (module.mentions("isinstance") and module.mentions("trainable")):
        return
    for node in module.scopes.of(ast.For):
        match node:
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Attribute(value=network, attr="layers"),
            ) if _sorts_out_batch_norm(module, node, name):
                inner = _nested(module, network)
                if inner is not None:
                    yield node, inner


def _sorts_out_batch_norm(module: Module, loop: ast.For, name: str) -> bool:
    """Whether BN is frozen, or all but BN unfrozen, by its class alone."""
    match loop.body:
        case [ast.If(test=test, body=body, orelse=orelse)]:
            pass
        case _:
            return False
    if any(isinstance(node, ast.Call) for one in body for node in ast.walk(one)):
        return False  # it may continue with what is inside
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner) if not orelse:
            return _is_of_batch_norm(module, inner, name) and _sets(body, name, True)
        case ast.Call():
            return _is_of_batch_norm(module, test, name) and _sets(body, name, False)
    return False


def _is_of_batch_norm(module: Module, test: ast.expr, name: str) -> bool:
    match test:
        case ast.Call(
            func=ast.Name(id="isinstance"), args=[ast.Name(id=layer), kinds]
        ) if layer == name:
            found = list(values(module, kinds))
            for value in list(found):
                if isinstance(value, Items):
                    elements = getattr(value.node, "elts", [])
                    found += [one for part in elements for one in values(module, part)]
            others = [
                found_value
                for found_value in found
                if not isinstance(found_value, Items)
            ]
            return bool(others) and all(batch_norm_name(other) for other in others)
    return False


def _sets(body: list[ast.stmt], name: str, value: bool) -> bool:
    match body:
        case [
            ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=layer), attr="trainable")],
                value=ast.Constant(value=bool() as constant),
            )
        ]:
            return layer == name and constant is value
    return False


def _nested(module: Module, network: ast.expr) -> str | None:
    """A network with BN that is one layer of another, unless it is frozen."""
    for where, part in network_parts(module, network):
        inner = part.func if isinstance(part, ast.Call) else None
        if isinstance(where.scopes.parents.get(part), ast.List):
            inner = part  # Sequential([base, ...])
        if inner is None or names.BATCH_NORM not in kinds_held(where, inner):
            continue
        found = values(where, inner)
        if any(isinstance(value, Result) and _is_net(value) for value in found):
            return ast.unparse(inner)
    return None


def _is_net(value: Result) -> bool:
    match value.maker:
        case Known(name):
            return name.startswith(_MODELS)
        case Class():
            return keras_kind(value.maker) in ("model", "sequential")
    return False
