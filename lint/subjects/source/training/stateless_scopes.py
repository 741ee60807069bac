"""Calls under `keras.StatelessScope`, in which a network gets variables as arguments.

with keras.StatelessScope(state_mapping=mapping) as scope:
    y_pred = model(x, training=True)
non_trainable = [scope.get_current_value(v) for v in model.non_trainable_variables]
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading.nodes import Function, last_word
from ..reading.values import Known, Result
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import local_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from .running import Running

NAME = "StatelessScope"
_CLASS = Known("keras.StatelessScope")


def scopes_of(module: Module) -> list[ast.With]:
    """List the `with` of the module that open such a scope."""
    if not module.mentions(NAME):
        return []
    return [node for node in module.scopes.of(ast.With) if _opened(module, node)]


def given_weights(run: Running) -> Iterator[tuple[Running, ast.expr, ast.expr]]:
    """Yield whose trainable variables the scope around a call replaces, and by what.

    As in `zip(model.trainable_variables, values)` of its mapping. It comes with the
    call that the scope is around: one on the way, if a function is called under it.
    """
    step: Running | None = run
    while step is not None:
        opening = scopes_of(step.module)
        for outer in step.module.scopes.ancestors(step.call) if opening else ():
            for mapping in _mappings(step.module, outer) if outer in opening else ():
                for owner, weights in _replaced(step.module, mapping):
                    yield step, owner, weights
        step = step.caller


def weights_replaced(module: Module, scope: ast.With) -> Iterator[ast.expr]:
    """Yield the networks whose trainable variables a scope stands for."""
    for mapping in _mappings(module, scope):
        for owner, _ in _replaced(module, mapping):
            yield owner


def keeps_updates(module: Module, scope: ast.With) -> bool:
    """Whether what is set under a scope may be read from it afterwards."""
    named: list[ast.expr] = []
    for item in scope.items:
        if isinstance(item.context_expr, ast.Name | ast.Attribute):
            named.append(item.context_expr)
        if item.optional_vars is not None:
            named.append(item.optional_vars)
    if any(isinstance(name, ast.Attribute) for name in named):
        return True  # other methods may read it
    texts = {ast.unparse(name) for name in named}
    function = module.scopes.enclosing_function(scope)
    return any(
        isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and node.id in texts
        and not _is_only_set_up(module, scope, node)
        for node in ast.walk(function or module.tree)
    )


def _is_only_set_up(module: Module, scope: ast.With, use: ast.expr) -> bool:
    """Whether a use of a scope opens it, or puts variables into it."""
    parent = module.scopes.parents.get(use)
    if isinstance(parent, ast.withitem):
        return True
    return isinstance(parent, ast.Attribute) and parent.attr == "add_update"


def _opened(module: Module, node: ast.AST) -> ast.Call | None:
    """The call that makes the scope which a `with` opens."""
    for item in node.items if isinstance(node, ast.With) else ():
        for value in values(module, item.context_expr):
            if isinstance(value, Result) and value.maker == _CLASS:
                return value.call
    return None


def _mappings(module: Module, scope: ast.AST) -> Iterator[ast.expr]:
    made = _opened(module, scope)
    if made is not None:
        given = keyword(made, "state_mapping")
        yield from made.args[:1] if given is None else [given]


def _replaced(module: Module, mapping: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The networks of a mapping, each with what stands for its trainable variables."""
    pending: list[ast.AST] = [mapping]
    seen: set[ast.AST] = set()
    while pending:
        node = pending.pop()
        if node in seen or isinstance(node, Function):
            continue
        seen.add(node)
        match node:
            case ast.Name():
                pending.append(local_value(module, node))
            case ast.Call(args=[ast.Attribute(value=network, attr=attr), weights]) if (
                last_word(node.func) == "zip" and attr in names.TRAINABLE
            ):
                yield network, weights
            case _:
                pending += ast.iter_child_nodes(node)
