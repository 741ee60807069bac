"""Expressions that the attributes of instances are given, by subclasses as well."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..resolving.heirs import giving
from ..resolving.lineage import project_lineage, property_of
from ..resolving.members import members, returns_of
from ..resolving.records import fields_made
from ..resolving.switches import is_dead
from .frozen import freezes
from .parts import is_empty

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.values import Class
    from ..resolving.runs import Run

_Given = list[tuple["Module", ast.expr]]


def held_in(
    cls: Class, name: str, run: Run | None, *, even_by_heirs: bool
) -> tuple[_Given, _Given]:
    """Return what `self.name` is given, also by a property, and what is added to it.

    Without what only announces it, and what conditions keep from being run. If it is
    not known which subclass an instance is of, what any of them gives it counts.
    """
    given: _Given = [*fields_made(cls, name)]
    made_by = property_of(cls, name)
    if made_by is not None:
        returned = returns_of(made_by.module, made_by.node)
        given += [(made_by.module, one) for one in returned]
    added: _Given = []
    heirs = _heirs(cls, name) if even_by_heirs else []
    for ancestor in (*project_lineage(cls), *heirs):
        module, own = ancestor.module, members(ancestor.module, ancestor.node)
        assigned = own.assigned(name)
        given += [
            (module, one)
            for one in assigned
            if not (is_empty(one) or is_dead(module, one, run))
        ]
        added += [
            (module, one)
            for one in own.given(name)[len(assigned) :]
            if not is_dead(module, one, run)
        ]
    return given, added


def _heirs(cls: Class, name: str) -> list[Class]:
    """The subclasses that give `self.name`, and do not freeze it in their file."""
    attribute = ast.Name(name)
    return [
        one
        for one in giving(cls, name)
        if one.module is cls.module or not freezes(one.module).covers(attribute)
    ]
