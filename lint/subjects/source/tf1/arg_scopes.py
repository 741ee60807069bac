"""Arguments that `arg_scope` of slim and contrib gives the BN built under it.

A scope also applies to what the functions called in it build, in other modules as well.
So every scope that may be open when a module's functions run counts: its own, and those
of the modules that import it, directly or through another.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading.bindings import Kind
from ..reading.memo import found_once
from ..reading.nodes import last_word
from ..reading.values import Items, Known, Literal, Routine, dict_entries
from ..resolving.classes import calls_in, keyword
from ..resolving.entries import entries
from ..resolving.resolve import values
from ..statistics.batch_norms import batch_norm_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module

_SCOPE = "arg_scope"
# It is not followed under another name.
_RENAMED = re.compile(r"\barg_scope\s+as\b|=\s*[\w.]*\barg_scope\s*$", re.MULTILINE)


def given_in_scopes(module: Module, name: str) -> list[object | None]:
    """Return what scopes may give BN for an argument: constants, None if unknown.

    Empty if surely no scope gives it.
    """
    found = [
        value
        for scope, call in scopes_around(module)
        for value in (_given(scope, call, name) if call is not None else [None])
    ]
    return list(dict.fromkeys(found))


def hands_out_scopes(module: Module) -> bool:
    """Whether scopes are returned and entered out of sight, where more may be added."""
    handed_out = any(
        isinstance(parent, ast.Return) or getattr(parent, "optional_vars", None)
        for call in module.calls_by_name.get(_SCOPE, ())
        for parent in (module.scopes.parents.get(call),)
    )
    return handed_out and not any(
        not isinstance(_target(call), ast.List | ast.Tuple)
        for other in modules_around(module)
        for call in other.calls_by_name.get(_SCOPE, ())
    )


@found_once
def scopes_around(module: Module) -> Iterator[tuple[Module, ast.Call | None]]:
    """The calls that open a scope or give parameters of a normalizer there.

    A scope that is not known is None.
    """
    opened: set[ast.Call] = set()
    for other in modules_around(module):
        if not other.mentions(_SCOPE):
            continue
        if other.matches(_RENAMED):
            yield other, None
        for call in other.calls_by_name.get(_SCOPE, ()):
            yield from _opened(other, call, opened)
        for call in other.calls:
            if keyword(call, "normalizer_params") is not None:
                yield other, call


def modules_around(module: Module) -> Iterable[Module]:
    """The module, those that import it, and those that import these."""
    near = list(_importers(module))
    far = [importer for user in near for importer in _importers(user)]
    return dict.fromkeys((module, *near, *far))


def _target(call: ast.Call) -> ast.expr | None:
    """Return what a scope is opened with: functions, or another scope."""
    return call.args[0] if call.args else keyword(call, "list_ops_or_scope")


def _importers(module: Module) -> Iterator[Module]:
    """The modules that import this very file, or something from it."""
    for other in module.project.naming(module.imported_as):
        imported = {
            binding.dotted
            for bindings in other.scopes.top.bindings.values()
            for binding in bindings
            if binding.kind is Kind.IMPORT
        }
        imported |= {star.rstrip(".") for star in other.scopes.top.stars}
        found = (
            module.project.find(other.path, name)
            for dotted in imported
            for name in (dotted, dotted.rpartition(".")[0])
            if name
        )
        path = module.real_path
        if any(layer is not None and layer.real_path == path for layer in found):
            yield other


def _opened(
    module: Module, call: ast.Call, before: set[ast.Call]
) -> Iterator[tuple[Module, ast.Call | None]]:
    """The scopes that a call opens; `arg_scope(helper())` those of the helper."""
    if call in before:
        return
    before.add(call)
    target = _target(call)
    if isinstance(target, ast.List | ast.Tuple):
        yield module, call
        return
    helpers = list(_helpers(module, target))
    if not helpers:
        yield module, None
    for helper in helpers:
        called = calls_in(helper.module, helper.node)
        inside = [
            inner_call for inner_call in called if last_word(inner_call.func) == _SCOPE
        ]
        if not inside:
            yield helper.module, None
        for inner in inside:
            yield from _opened(helper.module, inner, before)


def _helpers(module: Module, target: ast.expr | None) -> Iterator[Routine]:
    """The functions whose result a scope is opened with."""
    match target:
        case ast.Call(func=function):
            for value in values(module, function):
                if isinstance(value, Routine):
                    yield value
        case ast.Name():
            found = module.scopes.lookup(target)
            for binding in found[1] if found is not None else ():
                if binding.kind is not Kind.VALUE:
                    return
                assert isinstance(binding.node, ast.expr)
                if isinstance(binding.node, ast.Call):
                    yield from _helpers(module, binding.node)


def _given(module: Module, call: ast.Call, name: str) -> Iterator[object | None]:
    """Yield what a scope gives BN: itself, or in the parameters of its normalizer."""
    params = keyword(call, "normalizer_params")
    if params is not None:
        yield from _entry(module, params, name)
    if not _may_be_for_batch_norm(module, call):
        return
    direct = keyword(call, name)
    if direct is not None:
        yield from constants(module, direct)
    for argument in call.keywords:
        if argument.arg is None:
            yield from _entry(module, argument.value, name)


def _may_be_for_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether the functions of a scope hold BN, or one that is not known."""
    functions = call.args[0] if call.args else None
    if not isinstance(functions, ast.List | ast.Tuple):
        return False  # parameters of a normalizer alone
    for function in functions.elts:
        found = values(module, function)
        known = bool(found) and all(
            isinstance(value, Known | Routine) for value in found
        )
        if not known or any(
            batch_norm_name(candidate) in names.DECAY_FUNCTIONS for candidate in found
        ):
            return True
    return False


def _entry(module: Module, packed: ast.expr, name: str) -> Iterator[object | None]:
    """Yield what a dict holds under a name, and None if it may hold unseen values."""
    found = values(module, packed)
    if not found or not all(isinstance(found_value, Items) for found_value in found):
        yield None
        return
    if isinstance(packed, ast.Name) and packed.id in entries(module):
        yield None
    for value in found:
        assert isinstance(value, Items)
        given = dict_entries(value)
        if name in given:
            yield from constants(value.module, given[name])
        elif _is_open(value):
            yield None


def _is_open(items: Items) -> bool:
    """Whether some keys are not written out."""
    match items.node:
        case ast.Dict(keys=keys):
            return not all(isinstance(key, ast.Constant) for key in keys)
        case ast.Call(args=args, keywords=keywords):
            return bool(args) or any(argument.arg is None for argument in keywords)
    return True


def constants(module: Module, expression: ast.expr) -> list[object | None]:
    """The constants that an expression may be, with None for all that is unknown."""
    found = [
        value.value
        for value in values(module, expression)
        if isinstance(value, Literal)
    ]
    return list(found) if isinstance(expression, ast.Constant) else [*found, None]
