"""The search for layers in what a class of the project makes and calls."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from ... import names
from ..reading.values import Class, Known, Routine
from ..resolving.classes import graph_of, layer_calls
from ..resolving.lineage import lineage, project_lineage
from ..resolving.switches import is_dead
from .attributes import held_in
from .parts import freezes_itself, settles_base
from .rates import drops_by_flag
from .search import NOTHING, Kinds, Search

if TYPE_CHECKING:
    import ast

    from ..reading.module import Module


class InstanceSearch(Search):
    """A search for what instances hold, and their `call` uses."""

    def __init__(
        self, even_frozen: bool = False, surely: bool = False, at_any_rate: bool = False
    ) -> None:
        super().__init__(surely)
        self._even_frozen = even_frozen
        self._in_class = False  # so that it is known what `self` is
        self._at_any_rate = at_any_rate

    @abstractmethod
    def expression(self, module: Module, expression: ast.expr) -> Kinds:
        """Return what an expression holds, or leads to."""

    def _alternatives(self, parts: list[tuple[Module, ast.expr]]) -> Kinds:
        """Return what any part holds, or what all hold if it must be sure."""
        before = self.visited
        found: list[Kinds] = []
        for module, part in parts:
            if self.surely and len(parts) > 1:
                self.visited = set(before)  # each is examined on its own
            found.append(self.expression(module, part))
        self.visited = before
        if not found:
            return NOTHING
        return found[0].intersection(*found) if self.surely else NOTHING.union(*found)

    def _instance_of(self, cls: Class) -> Class:
        """The subclass that is searched, in what it inherits from the class."""
        heir = self.instance
        return heir if heir is not None and cls in project_lineage(heir) else cls

    def _member(self, cls: Class, name: str) -> Kinds:
        """Return what `self.name` holds."""
        given, grown = held_in(cls, name, self.run, even_by_heirs=not self._in_class)
        added = NOTHING.union(
            *(self.expression(*one) for one in grown if not self.is_optional(*one))
        )
        if len(given) == 1 and self.is_optional(*given[0]):
            return added
        return added | self._alternatives(given)

    def of_class(self, cls: Class) -> Kinds:
        """Return what instances of a class hold, and their `call` uses."""
        if not self.enter(cls) or freezes_itself(cls):
            return NOTHING
        self.depth += 1
        before = self._in_class, self.instance
        self._in_class = True
        self.instance = cls if len(project_lineage(cls)) > 1 else None
        found = NOTHING
        for base in lineage(cls):
            if isinstance(base, Known) and not settles_base(cls):
                found |= names.kinds_named(base.name)
        for routine, call in layer_calls(cls):
            if not is_dead(routine.module, call, self.run):
                found |= self.layer_call(routine, call)
                if drops_by_flag(routine.module, call, self.run):
                    found |= {names.DROPOUT}
        for module, expression in graph_of(cls):
            found |= self.expression(module, expression)
        self.depth -= 1
        self._in_class, self.instance = before
        return found

    def layer_call(self, routine: Routine, call: ast.Call) -> Kinds:
        """Return what is called there, in the `call` of a class or what it uses."""
        return self.expression(routine.module, call.func)
