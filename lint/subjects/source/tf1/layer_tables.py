"""Layers of `tf.layers` that a class picks from a table, and calls without a phase."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Items, Known, dict_entries, unpacks
from ..resolving.classes import keyword
from ..resolving.members import attribute_of_self, members, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_WITH_PHASE = {
    Known("tensorflow.layers.BatchNormalization"),
    Known("tensorflow.layers.Dropout"),
}


def unflagged_of_tables(module: Module) -> Iterator[ast.Call]:
    """Yield `self.layer(x)`, where the layer may be BN or dropout of such a table."""
    if not module.mentions("layers.BatchNormalization", "layers.Dropout"):
        return
    for node in module.classes:
        picked = set(_picked(module, node))
        for method in members(module, node).methods.values() if picked else ():
            me = self_name(method)
            for call in ast.walk(method):
                if (
                    isinstance(call, ast.Call)
                    and attribute_of_self(call.func, me) in picked
                    and keyword(call, FLAG) is None
                    and len(call.args) < 2
                    and not unpacks(call)
                ):
                    yield call


def _picked(module: Module, node: ast.ClassDef) -> Iterator[str]:
    """The attributes that get what is made from a table in the body of the class."""
    tables = {
        target.id
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and _holds_layers(module, statement.value)
    }
    for assigned in ast.walk(node) if tables else ():
        match assigned:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)],
                value=ast.Call() as made,
            ) if any(
                isinstance(part, ast.Attribute) and part.attr in tables
                for part in ast.walk(made)
            ):
                yield name


def _holds_layers(module: Module, table: ast.expr) -> bool:
    match table:
        case ast.Dict() | ast.Call(func=ast.Name(id="dict")):
            pass
        case _:
            return False
    return any(
        isinstance(value, Items)
        and any(
            not _WITH_PHASE.isdisjoint(values(value.module, entry))
            for entry in dict_entries(value).values()
        )
        for value in values(module, table)
    )
