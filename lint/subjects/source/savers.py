"""Checkpoints of TensorFlow 1 that leave the running statistics out."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from .classes import keyword
from .graph_mode import functions_of_both_phases, reached_calls
from .limits import VARIABLES_FOLLOWED
from .nodes import last_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

# Where the statistics are named, or all variables are, or put among the trainable.
_SAVES_MORE = re.compile(
    r"moving_|variables_collections|\b(global|all|model)_variables\("
    r"|(GLOBAL|MODEL|MOVING_AVERAGE)_VARIABLES"
)
_ALL_TRAINABLE = re.compile(
    r"[\w.]*trainable_variables\(\)$|[\w.]*get_collection\([\w.]*TRAINABLE_VARIABLES\)$"
)


def saved_without_statistics(module: Module) -> Iterator[ast.Call]:
    """Yield each `Saver` of trainable variables alone that saves a network with BN."""
    savers = module.calls_by_name.get("Saver", ())
    if not savers or module.matches(_SAVES_MORE):
        return
    saved = {
        last_word(call.func.value)
        for call in module.calls_by_name.get("save", ())
        if isinstance(call.func, ast.Attribute)
    }
    partial = [saver for saver in savers if _is_of_trainable(module, saver)]
    whole = {_name_of(module, saver) for saver in savers if saver not in partial}
    found = [saver for saver in partial if _name_of(module, saver) in saved - whole]
    if found and _keeps_statistics(module):
        yield from found


def _keeps_statistics(module: Module) -> bool:
    """Whether it builds BN whose statistics are of no other collection."""
    reached = reached_calls(module)
    building = {
        function
        for function, call in reached
        if any(functions_of_both_phases(function, call))
    }
    others = any(other.matches(_SAVES_MORE) for other in building)
    return bool(building) and not others


def _name_of(module: Module, call: ast.Call) -> str:
    """The last word of what it is assigned to."""
    match module.scopes.parents.get(call):
        case ast.Assign(targets=[target]):
            return last_word(target)
    return "Saver"


def _is_of_trainable(module: Module, saver: ast.Call) -> bool:
    """Whether it is given variables, and they are found among the trainable ones."""
    given = saver.args[0] if saver.args else keyword(saver, "var_list")
    return given is not None and _names_trainable(module, given, VARIABLES_FOLLOWED)


def _names_trainable(module: Module, expression: ast.expr, depth: int) -> bool:
    """Whether it, or what was assigned to names in it, holds all trainable ones."""
    nodes = list(ast.walk(expression))
    if any(isinstance(node, ast.comprehension) and node.ifs for node in nodes):
        return False  # those of one part, perhaps of one without BN
    for node in nodes:
        match node:
            case ast.Call() if _ALL_TRAINABLE.match(ast.unparse(node)):
                return True
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) if depth:
                if any(
                    _names_trainable(module, value, depth - 1)
                    for value in _assigned(module, ast.unparse(node))
                ):
                    return True
    return False


def _assigned(module: Module, name: str) -> Iterator[ast.expr]:
    """Yield all that is assigned to a name or an attribute anywhere in the module."""
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(targets=[ast.Name() | ast.Attribute() as target]):
                if ast.unparse(target) == name:
                    yield node.value
