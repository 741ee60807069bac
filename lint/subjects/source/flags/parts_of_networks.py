"""Instances that become parts of other networks, as `usage` counts them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import Class, Items, Known, Result
from ..resolving.classes import keras_kind
from ..resolving.lineage import method_of
from ..resolving.resolve import returned, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_LISTING = ("append", "add", "extend", "insert")


def handed_to_networks(module: Module) -> set[ast.AST]:
    """The constructions whose instances go into a list, a network or a layer."""
    found: set[ast.AST] = set()
    for call in module.calls:
        if last_word(call.func) not in _LISTING and not any(
            _is_of_keras(value) for value in values(module, call.func)
        ):
            continue
        for given in (*call.args, *(argument.value for argument in call.keywords)):
            for value in values(module, given):
                found.update(_made_in(value))
    return found


def _is_of_keras(maker: Value) -> bool:
    match maker:
        case Known(name):
            return name.startswith(("keras.layers.", "keras.Sequential"))
        case Class():
            return keras_kind(maker) is not None
    return False


def _made_in(value: Value) -> Iterator[ast.AST]:
    """The construction of an instance, or those of the instances in a list."""
    match value:
        case Result(call=call):
            yield call
        case Items(module, ast.List(elts=parts) | ast.Tuple(elts=parts)):
            for part in parts:
                for found_value in values(module, part):
                    if isinstance(found_value, Result):
                        yield found_value.call


def only_draws(module: Module, made: ast.Call, cls: Class) -> bool:
    """Whether a new instance only serves to build a graph of its layers.

    As in `model = Net().build_graph()`: what is fitted is that graph, whose layers get
    the phase one by one.
    """
    holder = module.scopes.parents.get(made)
    if not isinstance(holder, ast.Attribute):
        return False
    call = module.scopes.parents.get(holder)
    routine = method_of(cls, holder.attr)
    if not isinstance(call, ast.Call) or call.func is not holder or routine is None:
        return False
    if isinstance(module.scopes.parents.get(call), ast.Attribute | ast.Expr):
        return False  # Net().build_graph().summary() shows it, no more
    graphs = list(returned(routine))
    return bool(graphs) and all(map(_is_graph, graphs))


def _is_graph(value: Value) -> bool:
    match value:
        case Result(maker=Known("keras.Model")):
            return True
    return False


def is_part(module: Module, made: ast.Call) -> bool:
    """Whether a new instance goes into another network."""
    owner = module.scopes.enclosing_class(made)
    if owner is not None and keras_kind(Class(module, owner)) is not None:
        return True
    holder = module.scopes.parents.get(made)
    while isinstance(holder, ast.List | ast.Tuple | ast.ListComp):
        holder = module.scopes.parents.get(holder)
    # Net()(x), Sequential([Net()]), model.add(Net())
    return isinstance(holder, ast.Call)
