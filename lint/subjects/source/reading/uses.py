"""Whether the value that a name gets is read anywhere.

A value counts as read wherever that is possible: by code in a closure, by the next
round of a loop, by another file, or by something that looks names up as it runs.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from .memo import remembered
from .nodes import ScopeNode, end, start

if TYPE_CHECKING:
    from .bindings import Scope
    from .module import Module

# What reads names by their text, or all names at once.
_BY_TEXT = ("locals", "globals", "eval", "exec", "get_ipython")
_OWN_NAMES = ("vars", "dir")  # without an argument
_INTERRUPTED = ast.Try | ast.TryStar | ast.For | ast.AsyncFor | ast.While


def uses_of(module: Module, name: ast.Name, place: ast.AST) -> list[ast.Name]:
    """The uses that may see the value which a name is given at a place."""
    return _uses_by_place(module, name.id).get(place, [])


def is_read(module: Module, name: ast.Name) -> bool:
    """Whether anything may read the value that an assignment gives a name."""
    place = statement_of(module, name)
    return bool(uses_of(module, name, place)) or is_open(module, name)


def is_open(module: Module, name: ast.Name) -> bool:
    """Whether something may read a value that a name is given without being seen."""
    scope, place = module.scopes.scope_of(name), statement_of(module, name)
    return (
        scope.is_class
        or _looks_names_up(module)
        or name.id in _shared_names(module)
        or _may_go_on_to_else(module, place)
        or (scope is module.scopes.top and _leaves_module(module, scope, name, place))
    )


def statement_of(module: Module, node: ast.AST) -> ast.stmt:
    """The statement around an expression."""
    return next(
        outer for outer in module.scopes.ancestors(node) if isinstance(outer, ast.stmt)
    )


def is_read_after(module: Module, name: ast.Name, statement: ast.stmt) -> bool:
    """Whether the value that a statement reads by a name may be read after it."""
    found, after = module.scopes.lookup(name), end(statement)
    loops = _loops_around(module, statement)
    return any(
        (start(use) > after or not loops.isdisjoint(_loops_around(module, use)))
        and statement not in module.scopes.ancestors(use)
        for binding in (found[1] if found else ())
        for use in uses_of(module, name, binding.place)
    )


@remembered
def _uses_by_place(module: Module, name: str) -> dict[ast.AST, list[ast.Name]]:
    """The uses of a name by the places where it gets the values that they may see."""
    index: dict[ast.AST, list[ast.Name]] = {}
    for use in _uses_by_name(module).get(name, ()):
        found = module.scopes.lookup(use)
        for binding in found[1] if found else ():
            index.setdefault(binding.place, []).append(use)
    return index


@remembered
def _uses_by_name(module: Module) -> dict[str, list[ast.Name]]:
    """The places that read each name."""
    index: dict[str, list[ast.Name]] = {}
    for node in module.scopes.of(ast.Name):
        if reads(module, node):
            index.setdefault(node.id, []).append(node)
    return index


def reads(module: Module, node: ast.Name | ast.Attribute) -> bool:
    """Whether a name or attribute is read there, as by `x += 1` and `del x`, too."""
    parent = module.scopes.parents.get(node)
    return not isinstance(node.ctx, ast.Store) or isinstance(parent, ast.AugAssign)


@remembered
def _looks_names_up(module: Module) -> bool:
    """Whether something in the module reads names that are not written there."""
    return any(
        isinstance(call.func, ast.Name) and (word in _BY_TEXT or not call.args)
        for word in (*_BY_TEXT, *_OWN_NAMES)
        for call in module.calls_by_name.get(word, ())
    )


@remembered
def _shared_names(module: Module) -> frozenset[str]:
    """The names that some function binds in a scope around it."""
    shared: tuple[ast.Global | ast.Nonlocal, ...] = (
        *module.scopes.of(ast.Global),
        *module.scopes.of(ast.Nonlocal),
    )
    return frozenset(name for node in shared for name in node.names)


def _may_go_on_to_else(module: Module, place: ast.AST) -> bool:
    """Whether it stands in a `try` or a loop with an `else`, which sees its names."""
    for outer in module.scopes.ancestors(place):
        if isinstance(outer, ScopeNode):
            return False
        if isinstance(outer, _INTERRUPTED) and outer.orelse:
            return True
    return False


def _leaves_module(
    module: Module, scope: Scope, name: ast.Name, place: ast.AST
) -> bool:
    """Whether a value is what the module's name is in the end, for whoever asks.

    The cells of a notebook are run in any order.
    """
    cell, after = module.location(place).cell, end(place)
    for binding in reversed(scope.bindings[name.id]):
        later = binding.ready > after
        if (
            later
            and module.scopes.parents.get(binding.place) is module.tree
            and module.location(binding.place).cell == cell
        ):
            return False
    if module.cells:
        return any(
            module.location(use).cell != cell
            for use in _uses_by_name(module).get(name.id, ())
        )
    return module.mentions("__all__") or _is_named_elsewhere(module, name.id)


@remembered
def _is_named_elsewhere(module: Module, name: str) -> bool:
    """Whether another file may import the name; so in projects that are too large."""
    here, texts = module.real_path, module.project.texts
    word = re.compile(rf"\b{re.escape(name)}\b")
    return not texts.by_path or any(
        name in text and module.imported_as in text and word.search(text)
        for _, text in texts.beside(here)
    )


def _loops_around(module: Module, node: ast.AST) -> set[ast.AST]:
    found: set[ast.AST] = set()
    for outer in module.scopes.ancestors(node):
        if isinstance(outer, ScopeNode):
            break
        if isinstance(outer, ast.For | ast.AsyncFor | ast.While):
            found.add(outer)
    return found
