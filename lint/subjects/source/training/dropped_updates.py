"""Calls by given variables, as `stateless_call`, whose new statistics are dropped."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import Function, nodes_in
from ..reading.uses import uses_of
from ..resolving.callers import handed_in
from ..resolving.local_calls import calls_of
from ..resolving.saying import How, says
from .applying import applies_somewhere
from .stateless_scopes import keeps_updates, scopes_of, weights_replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def dropped_updates(module: Module) -> Iterator[tuple[ast.Call, bool]]:
    """Yield each `stateless_call` in training mode whose second result is not used.

    Each comes with whether no other call of the network keeps its statistics.
    """
    kept, dropped = set(), []
    for call in module.calls_by_name.get("stateless_call", ()):
        said = says(module, call)
        if said.is_nothing or (said.how is How.CONSTANT and not said.flag):
            continue
        if not isinstance(call.func, ast.Attribute):
            continue
        if _evaluates(module, call):
            continue
        if not _is_dropped(module, call):
            kept.add(ast.unparse(call.func))
        elif _holds_batch_norm(module, call.func.value):
            dropped.append(call)
    for call in dropped:
        yield call, ast.unparse(call.func) not in kept


def dropped_in_scopes(module: Module) -> Iterator[tuple[ast.Call, bool]]:
    """Yield each call in training mode under a `StatelessScope` that nothing reads.

    The scope stands for the weights of that network, whose gradients are applied. Each
    comes with whether no other scope of the network keeps its statistics.
    """
    kept, dropped = set(), []
    for scope in scopes_of(module) if applies_somewhere(module) else ():
        is_kept = keeps_updates(module, scope)
        stood_for = {ast.unparse(owner) for owner in weights_replaced(module, scope)}
        for call in nodes_in(scope):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in stood_for:
                said = says(module, call)
                infers = said.how is How.CONSTANT and not said.flag
                if is_kept:
                    kept.add(ast.unparse(call.func))
                elif not (said.is_nothing or infers):
                    dropped.append(call)
    for call in dropped:
        if _holds_batch_norm(module, call.func):
            yield call, ast.unparse(call.func) not in kept


def updates_left_behind(module: Module) -> Iterator[ast.Call]:
    """Yield each `zip` that writes only trainable variables back to a network with BN.

    Its `stateless_call` trains it in the module, and nothing writes the others back.
    """
    trained = [
        call
        for call in module.calls_by_name.get("stateless_call", ())
        if not says(module, call).is_nothing
    ]
    if not trained or module.mentions("set_state_tree", "set_weights"):
        return
    written = [
        (call, call.args[0])
        for call in module.calls_by_name.get("zip", ())
        if len(call.args) == 2 and isinstance(call.args[0], ast.Attribute)
        if _is_written_to(module, call)
    ]
    if any(variables.attr not in names.TRAINABLE for _, variables in written):
        return
    if any(True for _ in dropped_updates(module)):
        return
    for call, variables in written:
        if _holds_batch_norm(module, variables.value):
            yield call


def _evaluates(module: Module, call: ast.Call) -> bool:
    """Whether it stands in an evaluation, where nothing is to be kept: see BN103."""
    around = module.scopes.names_around(call)
    return any(
        hints.is_evaluation(name) or hints.is_evaluation_step(name) for name in around
    )


def _is_written_to(module: Module, pairs: ast.Call) -> bool:
    """Whether a loop over the pairs assigns to the first of each."""
    match module.scopes.parents.get(pairs):
        case ast.For(target=ast.Tuple(elts=[ast.Name(id=name), _])) as loop:
            return f"{name}.assign(" in ast.unparse(loop)
    return False


def _holds_batch_norm(module: Module, network: ast.expr) -> bool:
    return any(
        names.BATCH_NORM in kinds_held(where, known)
        for where, known in ((module, network), *handed_in(module, network))
    )


def _is_dropped(module: Module, call: ast.expr) -> bool:
    """Whether nothing reads the second item of a call's result."""
    parent = module.scopes.parents.get(call)
    match parent:
        case ast.Subscript(value=value, slice=ast.Constant(value=int() as index)) if (
            value is call
        ):
            return index == 0
        case ast.Assign(targets=[ast.Tuple(elts=[_, second, *_]) as target]):
            starred = any(isinstance(element, ast.Starred) for element in target.elts)
            if isinstance(second, ast.Name) and not starred:
                return _is_unread(module, second, parent)
        case ast.Assign(targets=[ast.Name() as whole]):
            uses = uses_of(module, whole, parent)
            return bool(uses) and all(
                isinstance(item, ast.Subscript) and _is_dropped(module, use)
                for use in uses
                for item in [module.scopes.parents.get(use)]
            )
    return False


def _is_unread(module: Module, name: ast.Name, assigned: ast.AST) -> bool:
    """Whether a bound name is not read, or is returned to callers that drop it."""
    return all(
        _is_returned_in_vain(module, use) for use in uses_of(module, name, assigned)
    )


def _is_returned_in_vain(module: Module, use: ast.Name) -> bool:
    """Whether a function returns it, and each caller in sight drops that."""
    path: list[int] = []
    node: ast.AST = use
    for outer in module.scopes.ancestors(use):
        match outer:
            case ast.Tuple(elts=parts) if node in parts:
                path.insert(0, parts.index(node))
            case ast.Return():
                break
            case _:
                return False
        node = outer
    function = module.scopes.enclosing_function(use)
    if not path or not isinstance(function, Function):
        return False
    calls = [call for call, _ in calls_of(module, function)]
    return bool(calls) and all(_drops(module, call, path) for call in calls)


def _drops(module: Module, call: ast.Call, path: list[int]) -> bool:
    """Whether a caller binds that item to a name that it never reads.

    `value_and_grad(..., has_aux=True)` gives `(value, aux), gradients` of `value, aux`.
    """
    parent = module.scopes.parents.get(call)
    if not (isinstance(parent, ast.Assign) and len(parent.targets) == 1):
        return False
    target: ast.expr = parent.targets[0]
    match target:
        case ast.Tuple(elts=[ast.Tuple() as inner, _]):
            target = inner
    for index in path:
        if not isinstance(target, ast.Tuple) or index >= len(target.elts):
            return False
        target = target.elts[index]
    return isinstance(target, ast.Name) and _is_unread(module, target, parent)
