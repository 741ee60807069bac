"""Values of attributes: of modules, classes, instances and namespaces."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading.imports import exported
from ..reading.values import (
    Class,
    Known,
    Literal,
    Result,
    Routine,
    Self,
    Value,
    Whole,
)
from .bound import evaluated
from .lineage import method_of, project_lineage, property_of
from .members import members
from .records import NAMESPACES, field_given, fields_made
from .resolve import reads, returned, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


@reads(ast.Attribute)
def _attribute(module: Module, expression: ast.Attribute) -> Iterator[Value]:
    for value in values(module, expression.value):
        yield from attribute_of(value, expression.attr)


def attribute_of(value: Value, attribute: str) -> Iterator[Value]:
    """Yield what `value.attribute` may be."""
    match value:
        case Known(name):
            yield Known(names.canonical(f"{name}.{attribute}"))
        case Whole(module):
            yield from evaluated(exported(module, attribute))
        case Class():
            yield from _member(value, value, attribute)
        case Self(cls):
            yield from _member(cls, value, attribute)
        case Result(maker=Class() as cls):
            given = list(field_given(value, attribute))
            for where, expression in given:
                yield from values(where, expression)
            if not given:
                yield from _member(cls, value, attribute)
        case Result(maker=Known(name), module=module, call=made) if name in NAMESPACES:
            for keyword in made.keywords:
                if keyword.arg == attribute:
                    yield from values(module, keyword.value)
        case Literal() if attribute == "value":  # of an enumeration
            yield value


def _member(cls: Class, instance: Value, name: str) -> Iterator[Value]:
    """Yield what `instance.name` may be, from the class body and what methods set."""
    method = method_of(cls, name)
    if method is not None:
        if property_of(cls, name) is not None:
            yield from returned(method)
        else:
            bound_to = None if isinstance(instance, Class) else cls
            yield Routine(method.module, method.node, bound_to)
        return
    made = fields_made(cls, name) if isinstance(instance, Self) else ()
    for given in made:
        yield from values(*given)
    for ancestor in project_lineage(cls) if not made else ():
        own = members(ancestor.module, ancestor.node)
        if name in own.classes:
            yield Class(ancestor.module, own.classes[name])
        for expression in own.given(name):
            yield from values(ancestor.module, expression)
