"""Target networks that follow another network's weights but not its statistics."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .bindings import Kind
from .contents import kinds_held
from .identity import is_part_of
from .nodes import Function, last_word
from .resolve import calls_of, values
from .saying import says
from .values import argument_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

TRAINABLE = ("trainable_variables", "trainable_weights")
_MORE = ("non_trainable_variables", "non_trainable_weights")
_COPYING = ("assign", "assign_add", "assign_sub", "copy_", "set_value")


def copies_without_statistics(module: Module) -> Iterator[tuple[ast.Call, bool]]:
    """Yield each `zip` of the trainable variables of two networks with BN that copies.

    Each comes with whether the target is called in training mode only, where its
    statistics do not count.
    """
    if not module.mentions(*TRAINABLE) or module.mentions(*_MORE):
        return
    for call in module.calls_by_name.get("zip", ()):
        owners = [_owner(module, argument) for argument in call.args[:2]]
        if len(owners) < 2 or not all(owners) or not copies_pairs(module, call):
            continue
        target, other = (owner for owner in owners if owner is not None)
        both = all(
            names.BATCH_NORM in kinds_held(module, side, even_frozen=True)
            for side in (target, other)
        )
        if both and not is_part_of((module, target), (module, other), call):
            yield call, _is_always_training(module, target)


def _owner(module: Module, expression: ast.expr) -> ast.expr | None:
    """The `net` of `net.trainable_variables`, also through a name."""
    match expression:
        case ast.Attribute(value=network, attr=name) if name in TRAINABLE:
            return network
        case ast.Name():
            found = module.scopes.lookup(expression)
            match found[1] if found else ():
                case [binding] if binding.kind is Kind.VALUE:
                    assert isinstance(binding.node, ast.expr)
                    return _owner(module, binding.node)
                case [binding] if binding.kind is Kind.PARAMETER:
                    return _passed(module, expression)
    return None


def _passed(module: Module, name: ast.Name) -> ast.expr | None:
    """Return what the only caller in sight passes for it, if that is variables."""
    function = module.scopes.enclosing_function(name)
    if not isinstance(function, Function):
        return None
    passed = [
        argument_for(call, function, name.id, skipped)
        for call, skipped in calls_of(module, function)
    ]
    first = passed[0] if passed else None
    return _owner(module, first) if isinstance(first, ast.Attribute) else None


def copies_pairs(module: Module, call: ast.Call) -> bool:
    """Whether a loop over the pairs, or the backend, assigns one to the other."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.Call) and last_word(outer.func) == "batch_set_value":
            return True
        if isinstance(outer, ast.For | ast.ListComp | ast.GeneratorExp):
            return any(
                isinstance(node, ast.Call) and last_word(node.func) in _COPYING
                for node in ast.walk(outer)
            )
        if isinstance(outer, ast.stmt):
            return False
    return False


def _is_always_training(module: Module, target: ast.expr) -> bool:
    calls = [
        call
        for call in module.calls
        if call.keywords or call.args
        if last_word(call.func)
        and last_word(call.func) == last_word(target)
        and values(module, call.func)
    ]
    return bool(calls) and all(says(module, call).is_constant(True) for call in calls)
