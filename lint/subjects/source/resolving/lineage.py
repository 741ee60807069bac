"""Base classes of a class, and the methods that it has or inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading.limits import VALUES
from ..reading.memo import remembered_of_class
from ..reading.nodes import last_word
from ..reading.values import Class, Known, Routine
from .members import members
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator


def bases(cls: Class) -> Iterator[Known | Class]:
    """The direct base classes that are known."""
    for expression in cls.node.bases:
        for value in values(cls.module, expression):
            if isinstance(value, Known | Class):
                yield value


@remembered_of_class
def lineage(cls: Class) -> tuple[Known | Class, ...]:
    """The class and all its known bases, roughly in the order Python searches them."""
    found: list[Known | Class] = []
    pending: list[Known | Class] = [cls]
    while pending and len(found) < VALUES:
        current = pending.pop(0)
        if current not in found:
            found.append(current)
            if isinstance(current, Class):
                pending = [*bases(current), *pending]
    return tuple(found)


@remembered_of_class
def project_lineage(cls: Class) -> tuple[Class, ...]:
    """The classes of the project in its lineage, itself first."""
    return tuple(ancestor for ancestor in lineage(cls) if isinstance(ancestor, Class))


def method_of(cls: Class, name: str) -> Routine | None:
    """The method of that name, own or inherited within the project."""
    if name in (own := members(cls.module, cls.node).methods):
        return Routine(cls.module, own[name], cls)  # whatever its bases are
    for ancestor in project_lineage(cls):
        found = members(ancestor.module, ancestor.node).methods.get(name)
        if found is not None:
            return Routine(ancestor.module, found, cls)
    return None


def property_of(cls: Class, name: str) -> Routine | None:
    """The method behind an attribute that is a property."""
    method = method_of(cls, name)
    decorators = [] if method is None else method.node.decorator_list  # type: ignore[union-attr]
    words = [last_word(decorator) for decorator in decorators]
    return method if "property" in words or "cached_property" in words else None
