"""Whether a number is the momentum of batch normalization and nothing else.

A number in the call itself is. A named number is if every use of the name, followed
into functions of the module, is a momentum of batch normalization too.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.limits import NUMBERS_HANDED
from ..reading.nodes import Function
from ..reading.values import Class, Routine, default_of
from ..resolving.lineage import method_of
from ..resolving.resolve import values
from .batch_norms import batch_norm_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.bindings import Scope
    from ..reading.module import Module
    from .given_momenta import Momentum


def sole_number(module: Module, momentum: Momentum) -> ast.Constant | None:
    """The number, if it can be changed without changing anything else."""
    number = momentum.literal.node
    if momentum.literal.module is not module or not isinstance(number, ast.Constant):
        return None
    if momentum.given_by in module.scopes.ancestors(number):
        return number
    return number if _only_momentum(module, number) else None


def _only_momentum(module: Module, number: ast.Constant) -> bool:
    parent = module.scopes.parents[number]
    match parent:
        case ast.Assign(targets=[ast.Name(id=name)]):
            scope = module.scopes.scope_of(parent)
            return not scope.is_class and _uses_are(module, scope, name)
        case ast.arguments():
            function = module.scopes.parents[parent]
            assert isinstance(function, Function)
            names = [argument.arg for argument in (*parent.args, *parent.kwonlyargs)]
            name = next(n for n in names if default_of(function, n) is number)
            return _parameter_is(module, function, name)
        case ast.keyword(arg=str(name)):
            call = module.scopes.parents[parent]
            return isinstance(call, ast.Call) and _argument_is(module, call, name)
    return False


def _parameter_is(
    module: Module, function: Function, name: str, depth: int = 0
) -> bool:
    first = function.body if isinstance(function.body, ast.expr) else function.body[0]
    return _uses_are(module, module.scopes.scope_of(first), name, depth)


def _argument_is(module: Module, call: ast.Call, name: str, depth: int = 0) -> bool:
    """Whether a keyword argument becomes the momentum of BN, whatever is called."""
    called = values(module, call.func)
    for value in called:
        if batch_norm_name(value) is not None and name in ("momentum", "decay"):
            continue
        routine = method_of(value, "__init__") if isinstance(value, Class) else value
        if not isinstance(routine, Routine) or routine.module is not module:
            return False
        if depth >= NUMBERS_HANDED or not _parameter_is(
            module, routine.node, name, depth + 1
        ):
            return False
    return bool(called)


def _uses_are(module: Module, scope: Scope, name: str, depth: int = 0) -> bool:
    """Whether every use of a name is as the momentum of BN, and there is one."""
    if scope is module.scopes.top and _is_used_elsewhere(module, name):
        return False
    if len(scope.bindings[name]) != 1:
        return False
    uses = list(_uses(module, scope, name))
    return bool(uses) and all(_is_momentum(module, use, depth) for use in uses)


def _uses(module: Module, scope: Scope, name: str) -> Iterator[ast.Name]:
    for node in module.scopes.of(ast.Name):
        if node.id == name:
            found = module.scopes.lookup(node)
            if isinstance(node.ctx, ast.Load) and found and found[0] is scope:
                yield node


def _is_momentum(module: Module, use: ast.Name, depth: int) -> bool:
    parent = module.scopes.parents[use]
    if not isinstance(parent, ast.keyword) or parent.arg is None:
        return False
    call = module.scopes.parents[parent]
    return isinstance(call, ast.Call) and _argument_is(module, call, parent.arg, depth)


def _is_used_elsewhere(module: Module, name: str) -> bool:
    """Whether another file may import it; only capitals can be looked for."""
    if module.cells or name.startswith("_"):
        return False
    files = [other.path for other in module.project.naming(name)]
    return files != [module.real_path]  # none at all if nothing was searched
