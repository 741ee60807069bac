"""Gradients that a step leaves to other functions to apply."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..resolving.callers import calls_elsewhere
from ..resolving.members import returns_of
from .applying import applies_somewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..reading.module import Module


def is_applied_elsewhere(
    module: Module, step: ast.FunctionDef, calls: Sequence[ast.Call]
) -> bool:
    """Whether a function may leave its gradients to another that applies them.

    It returns them, or adds those of several batches up.
    """
    returned = returns_of(module, step)
    is_kept = any(last_word(call.func) == "assign_add" for call in calls)
    if (returned or is_kept) and applies_somewhere(module):
        return True
    return any(_has_gradients(module, value) for value in returned) and any(
        applies_somewhere(caller) for caller, _, _ in calls_elsewhere(module, step)
    )


def _has_gradients(module: Module, returned: ast.expr | None) -> bool:
    """Whether gradients, or a name for them, are among what is returned."""
    match returned:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Dict(values=parts):
            return any(_has_gradients(module, part) for part in parts)
        case ast.Call(func=called):
            return last_word(called) in ("gradient", "zip")
        case ast.Name():
            found = module.scopes.lookup(returned)
            return any(
                isinstance(binding.node, ast.Call)
                and last_word(binding.node.func) == "gradient"
                for binding in (found[1] if found else ())
            )
    return False
