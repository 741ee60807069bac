"""Calls of what is handed to `map` and the like: `tf.map_fn(net, xs)` runs `net(x)`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.values import Known
from .resolve import values

if TYPE_CHECKING:
    from ..reading.module import Module

_FUNCTIONS = {
    *("map", "tensorflow.map_fn", "tensorflow.vectorized_map"),
    *("tensorflow.nest.map_structure", "keras.tree.map_structure"),
    *("keras.ops.map", "keras.ops.vectorized_map", "jax.lax.map"),
    *("jax.tree.map", "jax.tree_util.tree_map", "jax.tree_map"),
}
_WORDS = {name.rpartition(".")[2] for name in _FUNCTIONS}


def mapped_call(module: Module, call: ast.Call) -> ast.Call | None:
    """The call, of an item, of what `map(net, items)` is handed."""
    return _mapped_call(module, call) if last_word(call.func) in _WORDS else None


@remembered
def _mapped_call(module: Module, call: ast.Call) -> ast.Call | None:
    by_name = [one.value for one in call.keywords if one.arg in ("fn", "function")]
    handed = [*call.args[:1], *by_name][:1]
    over = call.args[1 : len(call.args) if last_word(call.func) == "map" else 2]
    if not handed or not any(
        isinstance(value, Known) and value.name in _FUNCTIONS
        for value in values(module, call.func)
    ):
        return None
    items: list[ast.expr] = [
        ast.copy_location(ast.Subscript(one, ast.Slice(), ast.Load()), one)
        for one in over
        if not isinstance(one, ast.Starred)
    ]
    return ast.copy_location(ast.Call(handed[0], items, []), call)
