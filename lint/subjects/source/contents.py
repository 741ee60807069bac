"""Which layers that depend on `training` an expression holds.

A network is followed back from its output through the calls that made it, a class
through what its `call` uses. Only what is surely there counts: what cannot be seen
holds nothing, and what is frozen does not depend on `training`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import names
from .classes import graph_of, keyword, layer_calls
from .members import is_false
from .resolve import lineage, project_lineage, values
from .scopes import Kind
from .values import Class, Items, Known, Partial, Result, Routine, Self, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

Kinds = frozenset[str]
NOTHING: Kinds = frozenset()
_DEEPEST = 60
_MOST_VISITS = 4_000
# Reading one of these from a network leads to no layer of it.
_NO_LAYERS = {"shape", "dtype", "name", "trainable_variables", "trainable_weights"}


def holds(module: Module, expression: ast.expr, even_frozen: bool = False) -> Kinds:
    """What the layer, network or tensor holds that an expression stands for."""
    return _Search(even_frozen).expression(module, expression)


def class_holds(of: Class) -> Kinds:
    """What instances of a class hold, and their `call` uses."""
    return _Search().of_class(of)


class _Search:
    """One question: what has been visited, and how far it may still go."""

    def __init__(self, even_frozen: bool = False) -> None:
        self._even_frozen = even_frozen
        self._visited: set[object] = set()
        self._depth = 0

    def _enter(self, node: object) -> bool:
        too_far = len(self._visited) > _MOST_VISITS or self._depth > _DEEPEST
        if too_far or node in self._visited:
            return False
        self._visited.add(node)
        return True

    def expression(self, module: Module, expression: ast.expr) -> Kinds:
        frozen = not self._even_frozen and module.freezes.covers(expression)
        if frozen or not self._enter(expression):
            return NOTHING
        self._depth += 1
        found = NOTHING.union(*self._parts(module, expression))
        self._depth -= 1
        return found

    def _parts(self, module: Module, expression: ast.expr) -> Iterator[Kinds]:
        match expression:
            case ast.Call():
                yield from self._call(module, expression)
            case ast.Name():
                yield from self._name(module, expression)
            case ast.Attribute(value=base, attr=name):
                yield from self._attribute(module, base, name)
            case ast.Constant() | ast.Lambda():
                return
            case _:
                for child in ast.iter_child_nodes(expression):
                    if isinstance(child, ast.expr):
                        yield self.expression(module, child)

    def _call(self, module: Module, call: ast.Call) -> Iterator[Kinds]:
        """A construction, or a layer or function applied to tensors."""
        frozen = keyword(call, "trainable")
        if frozen is not None and is_false(frozen):
            return
        constructed = False
        for function in values(module, call.func):
            if isinstance(function, Routine):
                constructed = True
                for returned in function.module.returns_of(function.node):
                    yield self.expression(function.module, returned)
            else:
                constructed = constructed or isinstance(function, Known | Class)
                yield self._made(function, module, call)
        if not constructed and not isinstance(keyword(call, "training"), ast.Constant):
            yield self.expression(module, call.func)
        for argument in (*call.args, *(each.value for each in call.keywords)):
            yield self.expression(module, argument)

    def _made(self, maker: Value, module: Module, call: ast.Call) -> Kinds:
        """What the instance holds that calling `maker` makes."""
        match maker:
            case Known(name):
                return names.holds(name) | _dropout_argument(name, call)
            case Class():
                return self.of_class(maker)
            case Partial(of=inner):
                return self._made(inner, module, call)
        return NOTHING

    def _name(self, module: Module, name: ast.Name) -> Iterator[Kinds]:
        found = module.scopes.lookup(name)
        if found is None:
            return
        scope, bindings = found
        for binding in bindings:
            if binding.kind in (Kind.VALUE, Kind.ITEM):
                assert isinstance(binding.node, ast.expr)
                yield self._bound(module, binding.node, binding.index)
            else:
                for value in values(module, name):
                    yield self._value(value)
        for added in _added(module, name.id, scope.node):
            yield self.expression(module, added)

    def _bound(self, module: Module, expression: ast.expr, index: int | None) -> Kinds:
        """What a name holds that is bound to an expression, or to one item of it."""
        if index is None or not isinstance(expression, ast.Call):
            return self.expression(module, expression)
        found = NOTHING
        for function in values(module, expression.func):
            if isinstance(function, Routine):
                for part in _items(function, index):
                    found |= self.expression(function.module, part)
        return found

    def _value(self, value: Value) -> Kinds:
        """What an instance holds, however it was come by."""
        match value:
            case Result(module=module, call=call):
                return self.expression(module, call) | self._grown(module, call)
            case Self(of):
                return self.of_class(of)
            case Items(module, node):
                return self.expression(module, node)
        return NOTHING

    def _grown(self, module: Module, made: ast.Call) -> Kinds:
        """What is added to a network under the name it is first given."""
        found = NOTHING
        match module.scopes.parents.get(made):
            case ast.Assign(targets=[ast.Name(id=name)]):
                for added in _added(module, name, module.scopes.scope_of(made).node):
                    found |= self.expression(module, added)
        return found

    def _attribute(self, module: Module, base: ast.expr, name: str) -> Iterator[Kinds]:
        """`self.blocks`, or the `output`, `layers` and the like of a network."""
        if name in _NO_LAYERS:
            return
        owners = values(module, base)
        ours = False
        for owner in owners:
            match owner:
                case Self(of) | Result(of=Class() as of):
                    ours = True
                    yield self._member(of, name)
        if not ours and not any(isinstance(each, Known) for each in owners):
            yield self.expression(module, base)

    def _member(self, of: Class, name: str) -> Kinds:
        """What `self.name` holds."""
        found = NOTHING
        for each in project_lineage(of):
            for expression in each.module.members(each.node).given(name):
                found |= self.expression(each.module, expression)
        return found

    def of_class(self, of: Class) -> Kinds:
        """What instances of a class hold, and their `call` uses."""
        if not self._enter(of) or _freezes_itself(of):
            return NOTHING
        self._depth += 1
        found = NOTHING
        for base in lineage(of):
            if isinstance(base, Known):
                found |= names.holds(base.name)
        for routine, call in layer_calls(of):
            found |= self.expression(routine.module, call.func)
        for module, expression in graph_of(of):
            found |= self.expression(module, expression)
        self._depth -= 1
        return found


def _freezes_itself(of: Class) -> bool:
    return any(
        is_false(value)
        for each in project_lineage(of)
        for value in each.module.members(each.node).assigned("trainable")
    )


def _items(function: Routine, index: int) -> Iterator[ast.expr]:
    """The item of that index in what a function returns."""
    for returned in function.module.returns_of(function.node):
        if isinstance(returned, ast.Tuple) and index < len(returned.elts):
            yield returned.elts[index]


def _dropout_argument(name: str, call: ast.Call) -> Kinds:
    """Recurrent and attention layers drop only if they are told to."""
    if not name.startswith("keras.layers."):
        return NOTHING
    for argument in ("dropout", "recurrent_dropout"):
        match keyword(call, argument):
            case ast.Constant(value=float() as rate) if rate > 0:
                return frozenset({names.DROPOUT})
    return NOTHING


def _added(module: Module, name: str, scope: ast.AST) -> Iterator[ast.expr]:
    """What `name.add(...)` or `name.append(...)` puts into a network or list."""
    for word in ("add", "append"):
        for call in module.calls_by_name.get(word, ()):
            match call:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=base)), args=[layer]
                ) if base == name and module.scopes.scope_of(call).node is scope:
                    yield layer
