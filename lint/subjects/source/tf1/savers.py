"""Checkpoints of TensorFlow 1 that leave the running statistics out."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..reading.limits import VARIABLES_FOLLOWED
from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values
from .graph_mode import functions_of_both_phases, infers_only, reached_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Where the statistics are named, or all variables are, or put among the trainable.
_SAVES_MORE = re.compile(
    r"moving_|variables_collections|\b(global|all|model)_variables\("
    r"|(GLOBAL|MODEL|MOVING_AVERAGE)_VARIABLES"
)
_ALL_TRAINABLE = re.compile(
    r"[\w.]*trainable_variables\(\)$|[\w.]*get_collection\([\w.]*TRAINABLE_VARIABLES\)$"
)
# Where a network is trained, so that statistics that were not restored are estimated.
_TRAINS = re.compile(
    r"\b(minimize|apply_gradients|create_train_op|optimize_loss|fit\w*|train_on_batch)\("
)
# What makes them, and at which place it is given the variables.
_PLACES = {"Saver": 0, "assign_from_checkpoint_fn": 1, "init_from_checkpoint": 1}


@dataclass(frozen=True)
class Incomplete:
    """Something that saves or restores trainable variables alone, of a network with BN.

    Attributes:
        node: the call that makes it.
        restores: whether it only restores, where nothing is trained.
        surely: whether the network surely needs the statistics that are missing.
    """

    node: ast.Call
    restores: bool = False
    surely: bool = True


def saved_without_statistics(module: Module) -> Iterator[Incomplete]:
    """Yield each such `Saver`, and what restores at once, as slim's function does."""
    made = [call for word in _PLACES for call in module.calls_by_name.get(word, ())]
    if not made or module.matches(_SAVES_MORE):
        return
    partial = [call for call in made if _is_of_trainable(module, call)]
    if not partial or not _keeps_statistics(module):
        return
    whole = {_name_of(module, call) for call in made if call not in partial}
    saving = _saving(module)
    found = [call for call in partial if _name_of(module, call) in saving - whole]
    if found:
        yield from map(Incomplete, found)
    elif not saving and not module.matches(_TRAINS):
        restoring = _called_on(module, "restore") - whole
        for call in partial:
            direct = last_word(call.func) != "Saver"
            if direct or _name_of(module, call) in restoring:
                yield Incomplete(call, restores=True, surely=infers_only(module))


def _saving(module: Module) -> set[str]:
    """The savers that save: by a call, or by a hook that they are handed to."""
    handed = {
        last_word(argument.value)
        for call in module.calls
        for argument in call.keywords
        if argument.arg == "saver"
    }
    return _called_on(module, "save") | handed - {""}


def _called_on(module: Module, method: str) -> set[str]:
    """The last words of what a method of that name is called on."""
    return {
        "Saver" if isinstance(call.func.value, ast.Call) else last_word(call.func.value)
        for call in module.calls_by_name.get(method, ())
        if isinstance(call.func, ast.Attribute)
    }


def _keeps_statistics(module: Module) -> bool:
    """Whether it builds BN whose statistics are of no other collection."""
    building = {
        function for function, call in reached_calls(module) if _builds(function, call)
    }
    others = any(other.matches(_SAVES_MORE) for other in building)
    return bool(building) and not others


def _builds(module: Module, call: ast.Call) -> bool:
    """Whether a call builds BN that uses its statistics at some time."""
    if any(functions_of_both_phases(module, call, or_inference=True)):
        return True
    return any(
        isinstance(value, Known)
        and value.name not in names.BATCH_NORM_FUNCTIONS
        and names.BATCH_NORM in names.kinds_named(value.name)
        for value in values(module, call.func)
    )


def _name_of(module: Module, call: ast.Call) -> str:
    """The last word of what it is assigned to."""
    match module.scopes.parents.get(call):
        case ast.Assign(targets=[target]):
            return last_word(target)
    return "Saver"


def _is_of_trainable(module: Module, maker: ast.Call) -> bool:
    """Whether it is given variables, and they are found among the trainable ones."""
    place = _PLACES[last_word(maker.func)]
    named = keyword(maker, "var_list") or keyword(maker, "assignment_map")
    given = maker.args[place] if len(maker.args) > place else named
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
