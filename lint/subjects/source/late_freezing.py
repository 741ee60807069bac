"""Layers that are frozen, or set free, when their model was compiled already."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import names
from .contents import holds
from .scopes import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module
    from .scopes import Position

_FITTING = ("fit", "fit_generator", "train_on_batch")
_COMPILING = ("compile", "make_train_function")


@dataclass
class _Events:
    """What happens in one scope, by position."""

    compiled: dict[str, list[Position]] = field(
        default_factory=lambda: defaultdict(list)
    )
    fitted: dict[str, list[Position]] = field(default_factory=lambda: defaultdict(list))
    changed: list[ast.Assign] = field(default_factory=list)


def late_changes(module: Module, *, before_fit: bool) -> Iterator[ast.Assign]:
    """Every `x.trainable = ...` of a network with BN that comes too late.

    Args:
        module: the module.
        before_fit: whether it is too late as soon as the model is compiled, even if
            it was never fitted.
    """
    for events in _events(module).values():
        for change in events.changed:
            if any(
                _is_late(events, name, start(change), before_fit)
                for name in events.fitted
            ):
                yield change


def _events(module: Module) -> dict[ast.AST, _Events]:
    found: dict[ast.AST, _Events] = defaultdict(_Events)
    for words, kind in ((_COMPILING, "compiled"), (_FITTING, "fitted")):
        for word in words:
            for call in module.calls_by_name.get(word, ()):
                if isinstance(call.func, ast.Attribute):
                    events = found[module.scopes.scope_of(call).node]
                    name = ast.unparse(call.func.value)
                    getattr(events, kind)[name].append(start(call))
    for node in module.scopes.nodes:
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=network, attr="trainable")],
                value=ast.Constant(value=bool()),
            ) if _holds_batch_norm(module, node, network):
                found[module.scopes.scope_of(node).node].changed.append(node)
    return found


def _is_late(events: _Events, name: str, change: Position, before_fit: bool) -> bool:
    """Whether the model of that name is fitted after the change as it was before."""
    fits = [each for each in events.fitted[name] if each > change]
    compiled = [each for each in events.compiled[name] if each < change]
    fitted = [each for each in events.fitted[name] if each < change]
    if not fits or not (compiled or fitted):
        return False
    if not before_fit and not any(
        each > max(compiled, default=each) for each in fitted
    ):
        return False
    # Compiled anew, this model or, as in adversarial networks, one that is built on it.
    between = (each for places in events.compiled.values() for each in places)
    return not any(change < each < max(fits) for each in between)


def _holds_batch_norm(module: Module, node: ast.AST, network: ast.expr) -> bool:
    for loop in module.scopes.ancestors(node):
        if isinstance(loop, ast.For) and ast.unparse(loop.target) in (
            ast.unparse(network),
            f"(_, {ast.unparse(network)})",
        ):
            network = loop.iter
    while True:
        match network:
            case ast.Subscript(value=inner) | ast.Attribute(value=inner, attr="layers"):
                network = inner
            case _:
                break
    return names.BATCH_NORM in holds(module, network, even_frozen=True)
