"""Networks whose tensors have names, as those that were converted from Caffe.

(self.feed('data')
     .conv(3, 3, 64, name='conv1')
     .batch_normalization(name='conv1_bn'))
(self.feed('conv1') ...
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..resolving.classes import keyword
from .losses import Loss, Unused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_LAYERS = {
    "batch_normalization": names.BATCH_NORM,
    "batch_norm": names.BATCH_NORM,
    "bn": names.BATCH_NORM,
    "dropout": names.DROPOUT,
}


def unfed_nodes(module: Module) -> Iterator[Unused]:
    """Yield each layer at the end of a chain while the layer before it is fed on."""
    if "feed" not in module.calls_by_name:
        return
    for word, kind in _LAYERS.items():
        for call in module.calls_by_name.get(word, ()):
            match module.scopes.parents.get(call), call.func:
                case ast.Expr(), ast.Attribute(value=ast.Call() as before):
                    place, name = keyword(call, "name"), _name(call)
                    instead = _name(before)
                    if (
                        place is not None
                        and name
                        and instead
                        and _is_passed_over(module, call, name, instead)
                    ):
                        yield Unused(place, kind, Loss.NOT_FED, name, instead)


def _name(call: ast.Call) -> str:
    given = keyword(call, "name")
    return str(given.value) if isinstance(given, ast.Constant) else ""


def _is_passed_over(module: Module, call: ast.Call, name: str, instead: str) -> bool:
    """Whether a later chain of the class is fed `instead`, and nothing has the name."""
    cls = module.scopes.enclosing_class(call)
    having_it = [
        node
        for node in module.scopes.of(ast.Constant)
        if isinstance(node.value, str)
        and name in node.value
        and module.scopes.enclosing_class(node) is cls
    ]
    fed = any(
        argument.value == instead
        for feed in module.calls_by_name.get("feed", ())
        if feed.lineno > call.lineno and module.scopes.enclosing_class(feed) is cls
        for argument in feed.args
        if isinstance(argument, ast.Constant)
    )
    return fed and len(having_it) == 1
