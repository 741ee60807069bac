"""The identity of networks, by which two that are built alike differ.

`values` finds what something is; this module finds which one it is. A network is known
by the place where it was made or passed in, and its parts by the way from there: two
calls of the same builder give two networks.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.imports import imported
from ..reading.limits import NAMES_VISITED
from ..reading.nodes import Function, moved
from ..reading.values import Class, Items, Result, Self, dict_entries, is_self
from ..resolving.callers import calls_elsewhere, handed_in
from ..resolving.lineage import project_lineage
from ..resolving.local_calls import calls_of
from ..resolving.members import members
from ..resolving.records import field_given
from ..resolving.resolve import values
from ..resolving.results import wrapped
from ..resolving.starred import argument_in
from .kept_results import kept_results
from .parts import items_of, layer_at, same_layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module

Origin = tuple[object, ...]


def is_part_of(
    part: tuple[Module, ast.expr], whole: tuple[Module, ast.expr], around: ast.AST
) -> bool:
    """Whether the first is surely the second, or something that it holds.

    Arguments of the functions `around` the place are not followed to their callers: two
    parameters are two networks.
    """
    module = whole[0]
    here = {around, *module.scopes.ancestors(around)}
    ours = set(_OriginSearch(here).origins(*part))
    return any(
        our[: len(their)] == their
        for their in _OriginSearch(here).origins(*whole)
        for our in ours
    )


def origins_of(module: Module, network: ast.expr, *, far: bool = False) -> set[Origin]:
    """Return the places where a network may have been made, by all ways to it.

    Those in other files only if it is to be `far`.
    """
    return set(_OriginSearch((), far=far).origins(module, network))


def written_items(binding: Binding) -> list[ast.expr]:
    """The items that a loop goes over, or their parts, if they are written out."""
    found: list[ast.expr] = [binding.node] if isinstance(binding.node, ast.expr) else []
    for index in (binding.index, binding.inner):
        lists = [one for one in found if isinstance(one, ast.Tuple | ast.List)]
        if len(lists) < len(found):
            return []
        found = [
            item
            for one in lists
            for place, item in enumerate(one.elts)
            if index in (None, place)
        ]
        if binding.inner is None:
            break
    return found


class _OriginSearch:
    def __init__(self, here: Iterable[ast.AST], *, far: bool = False) -> None:
        self._here = set(here)
        self._far = far
        self._visited: set[ast.AST] = set()

    def origins(self, module: Module, expression: ast.expr) -> Iterator[Origin]:
        if expression in self._visited or len(self._visited) > NAMES_VISITED:
            return
        self._visited.add(expression)
        match expression:
            case ast.Name():
                yield from self._name(module, expression)
            case ast.Attribute(value=base, attr=name):
                for origin in self.origins(module, base):
                    yield (*origin, name)
                yield from self._given(module, base, name)
            case ast.Subscript(value=base, slice=index):
                for origin in self.origins(module, base):
                    yield (*origin, ast.unparse(index))
                    if self._is_each(module, index):
                        yield origin
                yield from self._entry(module, base, index)
                if isinstance(index, ast.Constant) and isinstance(index.value, int):
                    yield from self._layer(module, base, index.value)
            case ast.IfExp(body=one, orelse=other):
                yield from self.origins(module, one)
                yield from self.origins(module, other)
            case ast.NamedExpr(value=value):
                yield from self.origins(module, value)
            case ast.Call() if (on := moved(expression)) is not None:
                yield from self.origins(module, on)
            case ast.Call(func=ast.Attribute(value=base, attr="get_layer" as name)):
                for origin in self.origins(module, base):
                    yield (*origin, name)
            case ast.Call() if (inner := wrapped(module, expression)) is not None:
                yield from self.origins(module, inner)
            case ast.Call() if kept := list(self._kept(module, expression)):
                yield from kept
            case ast.Call() if self._far and (copied := same_layers(expression)):
                yield (expression,)
                yield from self.origins(module, copied)
            case _:
                yield (expression,)

    def _kept(self, module: Module, call: ast.Call) -> Iterator[Origin]:
        """Yield the origins of what a function keeps: the same at each such call."""
        for where, held, by in kept_results(module, call):
            if isinstance(held, ast.expr):
                for origin in self.origins(where, held):
                    yield (*origin, *by)
            else:
                yield (held, *by)

    def _entry(
        self, module: Module, base: ast.expr, index: ast.expr
    ) -> Iterator[Origin]:
        """Yield the origins of `nets["d"]`, where that dict is written out."""
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            for value in values(module, base):
                entries = dict_entries(value) if isinstance(value, Items) else {}
                entry = entries.get(index.value)
                if isinstance(value, Items) and entry is not None:
                    yield from self.origins(value.module, entry)

    def _is_each(self, module: Module, index: ast.expr) -> bool:
        """Whether a loop goes over it that is not around: `nets[name]` is all of them.

        A loop around a step is at one of them, while others may be in use.
        """
        found = module.scopes.lookup(index) if isinstance(index, ast.Name) else None
        for binding in found[1] if found else ():
            loop = module.scopes.parents.get(binding.place)
            if isinstance(loop, ast.For | ast.comprehension):
                return loop not in self._here
        return False

    def _of_all_values(self, module: Module, binding: Binding) -> ast.expr | None:
        """The `nets` of `for net in nets.values()`, if that loop is not around."""
        loop = module.scopes.parents.get(binding.place)
        if not isinstance(loop, ast.For | ast.comprehension) or loop in self._here:
            return None
        match binding.node, binding.inner:
            case (ast.Call(func=ast.Attribute(value=held, attr="values")), None) | (
                ast.Call(func=ast.Attribute(value=held, attr="items")),
                1,
            ):
                return held
        return None

    def _name(self, module: Module, name: ast.Name) -> Iterator[Origin]:
        found = module.scopes.lookup(name)
        if found is None:
            yield (name.id,)
        for binding in found[1] if found else ():
            yield from self._bound(module, binding)

    def _bound(self, module: Module, binding: Binding) -> Iterator[Origin]:
        node = binding.node
        match binding.kind:
            case Kind.VALUE:
                assert isinstance(node, ast.expr)
                yield from self.origins(module, node)
            case Kind.ITEM:
                assert isinstance(node, ast.expr)
                for item in written_items(binding):
                    yield from self.origins(module, item)
                held = self._of_all_values(module, binding)
                if held is not None:
                    yield from self.origins(module, held)
                for origin in self.origins(module, node):
                    yield (*origin, str(binding.index))
                if self._far and isinstance(node, ast.Call):
                    yield from self._returned(module, node, binding.index)
                if binding.index is not None:
                    yield from self._layer(module, node, binding.index)
            case Kind.PARAMETER:
                assert isinstance(node, ast.arg)
                assert isinstance(binding.place, Function)
                yield from self._parameter(module, binding.place, node)
            case Kind.IMPORT:
                yield (binding.dotted.lstrip("."),)
                for found in imported(module, binding.dotted) if self._far else ():
                    if isinstance(found, tuple):
                        yield from self._bound(*found)
            case _:
                yield (node,)

    def _layer(self, module: Module, layers: ast.expr, index: int) -> Iterator[Origin]:
        """Yield the origins of one of `network.layers`."""
        match layers:
            case ast.Attribute(value=network, attr="layers") if self._far:
                for where, layer in layer_at(module, network, index):
                    yield from self.origins(where, layer)

    def _returned(
        self, module: Module, call: ast.Call, index: int | None
    ) -> Iterator[Origin]:
        """Yield the origins of one of the things that a function returns."""
        if index is not None:
            for where, part in items_of(module, call, index):
                yield from self.origins(where, part)

    def _parameter(
        self, module: Module, function: Function, argument: ast.arg
    ) -> Iterator[Origin]:
        owner = module.owner_of(function)
        if owner is not None and is_self(function, argument):
            yield (project_lineage(Class(module, owner))[-1].node,)
            return
        yield (argument,)
        if function in self._here:
            return
        calls = [(module, *call) for call in calls_of(module, function)]
        calls += calls_elsewhere(module, function) if self._far else []
        # What a function passes to itself, as parts of what it got, comes last.
        calls.sort(key=lambda one: function in one[0].scopes.ancestors(one[1]))
        for where, call, skipped in calls:
            passed = argument_in(where, call, function, argument.arg, skipped)
            if passed is not None:
                yield from self.origins(where, passed)

    def _given(self, module: Module, base: ast.expr, name: str) -> Iterator[Origin]:
        """Yield the origins of `self.name`, which are the same in all methods."""
        known = [*values(module, base)]
        for where, passed in handed_in(module, base) if self._far else ():
            known += values(where, passed)
        for value in known:
            cls = value.cls if isinstance(value, Self) else None
            if self._far and isinstance(value, Result):
                cls = value.maker if isinstance(value.maker, Class) else None
                for where, given in field_given(value, name):
                    yield from self.origins(where, given)
            if cls is not None:
                for ancestor in project_lineage(cls):
                    for expression in members(ancestor.module, ancestor.node).given(
                        name
                    ):
                        yield from self.origins(ancestor.module, expression)
