"""Subclasses: what they inherit, and what they give the attributes of their bases."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered_of_class
from ..reading.nodes import last_word, nodes_in
from ..reading.values import Class, argument_for
from .classes import calls_in
from .instances import construction, given_by, modules_with, subclasses
from .lineage import method_of, project_lineage
from .members import is_of_super, members, returns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from .members import Method

Given = tuple["Module", ast.expr]


@remembered_of_class
def giving(cls: Class, name: str) -> tuple[Class, ...]:
    """The subclasses in its file that give `self.name`, where the class never does.

    They inherit the methods that use it.
    """
    if method_of(cls, name) is not None or given_by(cls, name):
        return ()
    heirs = [
        one
        for one in subclasses(cls, everywhere=False)
        if members(one.module, one.node).given(name)
    ]
    using = [
        method
        for method in members(cls.module, cls.node).methods.values()
        if heirs and any(_reads(node, name) for node in nodes_in(method))
    ]
    return tuple(one for one in heirs if all(inherits(one, method) for method in using))


def _reads(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name


def inherits(cls: Class, method: Method) -> bool:
    """Whether its instances run that method by its name."""
    found = method_of(cls, method.name)
    return found is not None and found.node is method


@remembered_of_class
def held_by(cls: Class, name: str) -> tuple[Given, ...]:
    """What `self.name` is given in instances of a class, by its bases as well.

    That may be what the class is constructed with, or makes in a method of its own.
    """
    held: list[Given] = []
    for base in project_lineage(cls):
        given = members(base.module, base.node).given(name)
        for expression in given:
            held += (base.module, expression), *_of_class(cls, base, expression)
        if any(not isinstance(one, ast.Constant) for one in given):
            break
    return tuple(held)


def _of_class(cls: Class, base: Class, expression: ast.expr) -> Iterator[Given]:
    """Yield what an expression of a base class is in instances of a subclass."""
    match expression:
        case ast.Name(id=name):
            yield from _constructed_with(cls, base, name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            method = method_of(cls, name)
            if method is not None:
                for returned in returns_of(method.module, method.node):
                    yield method.module, returned


def _constructed_with(cls: Class, base: Class, name: str) -> Iterator[Given]:
    """What instances of a class are given for a parameter of the base's `__init__`."""
    constructor = members(base.module, base.node).methods.get("__init__")
    own = method_of(cls, "__init__")
    if constructor is None or own is None:
        return
    if own.node is not constructor:
        for call in calls_in(own.module, own.node):
            if last_word(call.func) == "__init__":
                skipped = int(is_of_super(call.func))
                given = argument_for(call, constructor, name, skipped)
                if given is not None:
                    yield own.module, given
        return
    for module in modules_with(cls, construction(cls)):
        for call in module.calls_by_name.get(cls.node.name, ()):
            given = argument_for(call, constructor, name, 1)
            if given is not None:
                yield module, given
