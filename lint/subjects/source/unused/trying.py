"""Whether code builds a network, or only tries a layer."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.memo import remembered

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.nodes import Function

# Calls that build a network.
_NETWORKS = ("add", "Sequential", "Model")
# Methods that apply layers, and those that may call their own only to build them.
_APPLYING = {"call", "__call__"}
_BUILDING = {"build", "_build", "__init__", "compute_output_shape"}
_RAISING = "raises"
_ASIDE = re.compile(r"__main__|built\b")  # what such a condition asks


def is_beside_network(module: Module, statement: ast.stmt) -> bool:
    """Whether the function around a statement, or the script, builds a network."""
    function = module.scopes.enclosing_function(statement)
    applies = getattr(function, "name", "") in _APPLYING
    return applies or function in _functions_with_networks(module)


@remembered
def _functions_with_networks(module: Module) -> frozenset[Function | None]:
    """The functions that build one, or apply a layer as they make it; None for none."""
    calls = [
        *(call for word in _NETWORKS for call in module.calls_by_name.get(word, ())),
        *(call for call in module.calls if isinstance(call.func, ast.Call)),
    ]
    return frozenset(map(module.scopes.enclosing_function, calls))


def only_tries(module: Module, statement: ast.stmt) -> bool:
    """Whether a statement tests, builds or demonstrates, or shows a cell's result."""
    if any(map(hints.is_test, module.scopes.names_around(statement))):
        return True
    for outer in module.scopes.ancestors(statement):
        match outer:
            case ast.FunctionDef(name=name) if name in _BUILDING:
                return _calls_own(statement)
            case ast.If(test=test) if _ASIDE.search(ast.unparse(test)):
                return True
            case ast.With(items=items) if any(
                _RAISING in ast.unparse(item.context_expr).lower() for item in items
            ):
                return True
    return isinstance(statement, ast.Expr) and statement in _last_of_cells(module)


def _calls_own(statement: ast.stmt) -> bool:
    """Whether it calls an attribute of `self`."""
    match statement:
        case (
            ast.Expr(value=ast.Call(func=called))
            | ast.Assign(value=ast.Call(func=called))
        ):
            return ast.unparse(called).startswith("self.")
    return False


@remembered
def _last_of_cells(module: Module) -> frozenset[ast.stmt]:
    last = {
        module.location(statement).cell: statement
        for statement in (module.tree.body if module.cells else ())
    }
    return frozenset(last.values())
