"""Dicts that calls make: of pairs, of two lists, or with a factory of their entries.

nets = OrderedDict([("a", net), ...])
nets = dict(zip(names, [net, ...]))
nets = dict.fromkeys(names, net)
nets = defaultdict(make_net)
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import last_word

if TYPE_CHECKING:
    from ..reading.module import Module

MAKING = (
    *("dict", "collections.OrderedDict", "collections.defaultdict"),
    *("dict.fromkeys", "collections.OrderedDict.fromkeys"),
)


def unwritten_entries(call: ast.Call) -> ast.expr | None:
    """The entries of `dict(zip(names, nets))`, or of pairs in a comprehension.

    That is a list of them, or what each of them is.
    """
    match call.args:
        case [_, entry] if last_word(call.func) == "fromkeys":
            return entry
        case [ast.Call(func=ast.Name(id="zip"), args=[_, entries])]:
            return entries
        case [
            ast.GeneratorExp(elt=ast.Tuple(elts=[_, entry]))
            | ast.ListComp(elt=ast.Tuple(elts=[_, entry]))
        ]:
            return entry
    return None


def made_on_demand(module: Module, call: ast.Call) -> ast.Call | None:
    """What a `defaultdict` makes an entry by: a call of its factory."""
    if last_word(call.func) != "defaultdict" or not call.args:
        return None
    return _made_on_demand(module, call)


@remembered
def _made_on_demand(_module: Module, call: ast.Call) -> ast.Call:
    made = ast.Call(call.args[0], [], [])
    return ast.copy_location(made, call.args[0])
