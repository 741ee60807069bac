"""The phase that functions of the project get for TensorFlow 1 layers in them."""

from __future__ import annotations

import ast

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.values import Known, Routine, argument_for, default_of, parameters
from ..resolving.classes import calls_in
from ..resolving.resolve import values

_LAYERS = names.BATCH_NORM_FUNCTIONS | names.DROPOUT_FUNCTIONS
_DEPTH = 3


def flag_given(routine: Routine, call: ast.Call) -> ast.expr | None:
    """What a function gets as the phase of layers that it surely builds."""
    for name in parameters(routine.node):
        if hints.is_training_flag(name) and builds_with(routine, name):
            given = argument_for(
                call, routine.node, name, int(routine.owner is not None)
            )
            return given or default_of(routine.node, name)
    return None


def builds_with(routine: Routine, flag: str, depth: int = 0) -> bool:
    """Whether a function builds layers whose phase is that parameter."""
    module = routine.module
    for call in calls_in(module, routine.node):
        given = [word.value for word in call.keywords if word.arg is not None]
        if not any(
            isinstance(each, ast.Name) and each.id == flag
            for each in (*given, *call.args)
        ):
            continue
        for value in values(module, call.func):
            match value:
                case Known(name) if name in _LAYERS:
                    return True
                case Routine(node=inner, owner=owner) if depth < _DEPTH:
                    for name in parameters(inner):
                        passed = argument_for(call, inner, name, int(owner is not None))
                        if (
                            isinstance(passed, ast.Name)
                            and passed.id == flag
                            and builds_with(value, name, depth + 1)
                        ):
                            return True
        if kinds_held(module, call.func) & {names.BATCH_NORM, names.DROPOUT}:
            return True
    return False
