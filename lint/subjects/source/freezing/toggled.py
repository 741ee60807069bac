"""Networks that are frozen and unfrozen in a loop that compiles nothing.

In Keras 2 a compiled model keeps what was trainable when it was compiled.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.freezings import freezings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_TRAINING = ("train_on_batch", "fit", "fit_generator")
_COMPILING = ("compile", "make_train_function")


def toggled_in_loops(module: Module) -> Iterator[tuple[ast.AST, ast.expr]]:
    """Yield each change of `trainable` in such a loop: where, and of what network.

    It is set by `x.trainable = ...`, or by a function that does so.
    """
    if not module.mentions(".trainable"):
        return
    loops = _loops(module, _TRAINING)
    for change in freezings(module):
        node, network = change.node, change.network
        around = [
            ancestor for ancestor in module.scopes.ancestors(node) if ancestor in loops
        ]
        if (
            around
            and loops.isdisjoint(_loops(module, _COMPILING))
            and names.BATCH_NORM in kinds_held(module, network, even_frozen=True)
        ):
            yield node, network


def _loops(module: Module, words: tuple[str, ...]) -> set[ast.AST]:
    """The loops in which a method of one of those names is called."""
    return {
        outer
        for word in words
        for call in module.calls_by_name.get(word, ())
        for outer in module.scopes.ancestors(call)
        if isinstance(outer, ast.For | ast.While)
    }
