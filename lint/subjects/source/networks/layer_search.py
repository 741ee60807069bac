"""The search for layers that depend on `training`, from an expression.

A network is followed back from its output through the calls that made it, a class
through what its `call` uses. Only what is surely there counts: what cannot be seen
holds nothing, and what is frozen does not depend on `training`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.nodes import Function, last_word
from ..reading.values import (
    Class,
    Items,
    Known,
    Partial,
    Result,
    Routine,
    Self,
    Value,
)
from ..resolving.bound import passed_here
from ..resolving.classes import keyword
from ..resolving.dict_calls import made_on_demand
from ..resolving.entries import put_in, written_in
from ..resolving.handles import joined
from ..resolving.instances import called, graphs_given
from ..resolving.lineage import method_of
from ..resolving.makers import makers
from ..resolving.members import (
    is_false,
    returns_of,
)
from ..resolving.records import field_given
from ..resolving.resolve import values
from ..resolving.runs import passed_expression, run_of
from ..resolving.saying import local_value, says
from ..resolving.switches import is_dead, truth
from .frozen import freezes
from .instance_search import InstanceSearch
from .parts import (
    added_to,
    added_under_its_name,
    first_names,
    handed_in_frozen,
    items_of,
)
from .rates import kinds_made
from .search import NOTHING, Kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.bindings import Binding
    from ..reading.module import Module

_READING = {"getattr", "items", "values"}  # calls that give what something holds
# Reading one of these from a network leads to no layer of it.
_NO_LAYERS = {"shape", "dtype", "name", "trainable_variables", "trainable_weights"}
# Nor does one of these from a layer of Keras; classes may call their own layers so.
_VARIABLES = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}


class LayerSearch(InstanceSearch):
    """A search for what one question asks for, from an expression or a class."""

    even_made_frozen = False  # whether `trainable=False` of a layer counts for nothing
    while_trained = False  # whether what a loop freezes now and then is not frozen

    def expression(self, module: Module, expression: ast.expr) -> Kinds:
        if self._is_frozen(module, expression) or not self.enter(expression):
            return NOTHING
        self.depth += 1
        found = NOTHING.union(*self._parts(module, expression))
        self.depth -= 1
        return found

    def _is_frozen(self, module: Module, expression: ast.expr) -> bool:
        if self._even_frozen:
            return False
        frozen = freezes(module)
        toggled = self.while_trained and frozen.toggles(expression)
        return frozen.covers(expression) and not toggled

    def _parts(self, module: Module, expression: ast.expr) -> Iterator[Kinds]:
        match expression:
            case ast.Call():
                yield from self._call(module, expression)
            case ast.Name():
                yield from self._name(module, expression)
            case ast.Attribute(value=base, attr=name):
                yield from self._attribute(module, base, name)
            case ast.Subscript(
                value=ast.Call() as call, slice=ast.Constant(value=int() as index)
            ) if any(True for _ in items_of(module, call, index)):
                yield self._bound(module, call, index)
            case ast.Subscript(value=ast.Name() as base, slice=key):
                put = [(module, one) for one in put_in(module, base, key)]
                written = written_in(module, base, key)
                if written:
                    yield self._alternatives(written)
                else:
                    yield self.expression(module, base)
                yield self._alternatives(put)
            case ast.Constant() | ast.Lambda():
                return
            case ast.IfExp(test=test, body=one, orelse=other):
                chosen = truth(module, test, self.run)
                sides = ((one, True), (other, False))
                yield self._alternatives(
                    [(module, side) for side, on in sides if chosen in (None, on)]
                )
            case _:
                for child in ast.iter_child_nodes(expression):
                    if isinstance(child, ast.expr):
                        yield self.expression(module, child)

    def _call(self, module: Module, call: ast.Call) -> Iterator[Kinds]:
        """A construction, or a layer or function applied to tensors."""
        frozen = keyword(call, "trainable")
        if frozen is not None and is_false(frozen) and not self.even_made_frozen:
            return
        if last_word(call.func) in ("gradient", "gradients"):
            return
        if last_word(call.func) in _READING:
            read = values(module, call)
            yield from map(self._value, read)
            if read or last_word(call.func) == "getattr":
                return
        made = made_on_demand(module, call)
        if made is not None:
            yield self.expression(module, made)
        constructed = False
        known = makers(module, call.func, self.run, self.instance)
        for function in called(module, call) if known is None else known:
            constructed = constructed or isinstance(function, Routine | Known | Class)
            yield self._made(function, module, call)
        if not constructed and says(module, call).is_nothing:
            yield self.expression(module, call.func)
        for argument in (*call.args, *(option.value for option in call.keywords)):
            yield self.expression(module, argument)

    def _made(self, maker: Value, module: Module, call: ast.Call) -> Kinds:
        """Return what a function of the project returns, or an instance holds."""
        match maker:
            case Routine():
                with self.running(run_of(maker, module, call, self.run)):
                    return self._alternatives(
                        [
                            (maker.module, returned)
                            for returned in returns_of(maker.module, maker.node)
                            if not is_dead(maker.module, returned, self.run)
                        ]
                    )
            case Known(name):
                return kinds_made(module, name, call, self.run, self._at_any_rate)
            case Class():
                constructor = method_of(maker, "__init__")
                run = None
                if constructor is not None:
                    run = run_of(constructor, module, call, self.run)
                with self.running(run):
                    return self.of_class(maker)
            case Partial(function=inner, module=where, call=partial):
                # Its arguments mean what they mean where it stands.
                bound = joined(partial, call) if where is module else call
                return self._made(inner, module, bound)
        return NOTHING

    def _name(self, module: Module, name: ast.Name) -> Iterator[Kinds]:
        found = module.scopes.lookup(name)
        if found is None:
            return
        scope, bindings = found
        for binding in bindings:
            if self.is_optional(module, binding.place, name) or (
                binding.kind is not Kind.PARAMETER
                and is_dead(module, binding.place, self.run)
            ):
                continue
            if binding.kind in (Kind.VALUE, Kind.ITEM):
                assert isinstance(binding.node, ast.expr)
                yield self._bound(module, binding.node, binding.index)
            elif self._even_frozen or not handed_in_frozen(module, binding):
                yield from self._passed(module, binding, name)
        for added in added_to(module, name.id, scope.node):
            dead = is_dead(module, added, self.run)
            if not (dead or self.is_optional(module, added, name)):
                yield self.expression(module, added)

    def _passed(
        self, module: Module, binding: Binding, name: ast.Name
    ) -> Iterator[Kinds]:
        """What the run, or else each caller in the file, passes for a parameter."""
        function = binding.place
        known: list[tuple[Module, ast.expr]] = []
        if isinstance(function, Function):
            of_run = passed_expression(self.run, function, name.id)
            here = ((module, one) for one in passed_here(module, function, name.id))
            known += [of_run[:2]] if of_run else here
        for where, passed in known or [(module, name)]:
            found = values(where, passed)
            if known and any(map(_is_network, found)) and _is_built(where, passed):
                yield self.expression(where, passed)
            else:
                yield from map(self._value, found)

    def _bound(self, module: Module, expression: ast.expr, index: int | None) -> Kinds:
        """Return what a name bound to an expression, or to one of its items, holds."""
        if index is None or not isinstance(expression, ast.Call):
            return self.expression(module, expression)
        if any(isinstance(one, Result) for one in values(module, expression.func)):
            return self.expression(module, expression)  # a network of several outputs
        items = items_of(module, expression, index)
        return NOTHING.union(*(self.expression(*item) for item in items))

    def _value(self, value: Value) -> Kinds:
        """Return what an instance holds, however it was obtained."""
        match value:
            case Result(module=module, call=call):
                named = first_names(module, call)
                if any(self._is_frozen(module, name) for name in named):
                    return NOTHING
                return self.expression(module, call) | self._grown(module, call)
            case Self(cls):
                graphs = (self.expression(*given) for given in graphs_given(cls))
                return self.of_class(cls).union(*graphs)
            case Items(module, node):
                return self.expression(module, node) | self._grown(module, node)
        return NOTHING

    def _grown(self, module: Module, made: ast.expr) -> Kinds:
        """Return what is added to a network or list under the name first given."""
        found = NOTHING
        for added in added_under_its_name(module, made):
            if not is_dead(module, added, self.run):
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
                case Self(cls):
                    ours = True
                    yield self._member(self._instance_of(cls), name)
                case Result(maker=Class() as cls) | (Class() as cls):
                    ours = True
                    yield self._member(cls, name)
            if isinstance(owner, Result):
                for given in field_given(owner, name):
                    ours = True
                    yield self.expression(*given)
        settled = ours or name in _VARIABLES
        if not settled and not any(isinstance(value, Known) for value in owners):
            yield self.expression(module, base)


def _is_network(value: Value) -> bool:
    match value:
        case Result(maker=Known(name)):
            return name in ("keras.Sequential", "keras.Model")
        case Result(maker=Class()):
            return True
    return False


def _is_built(module: Module, passed: ast.expr) -> bool:
    """Whether a function of the project makes it, perhaps by what it is given."""
    match local_value(module, passed):
        case ast.Call(func=function):
            return any(isinstance(one, Routine) for one in values(module, function))
    return False
