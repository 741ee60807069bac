"""Subclasses: what they inherit, and what they give the attributes of their bases."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered, remembered_of_class
from ..reading.nodes import last_word, nodes_in, start
from ..reading.values import Class, Items, Routine, argument_for
from .classes import calls_in, keras_kind, reached
from .instances import (
    construction,
    descendants,
    given_by,
    modules_with,
    subclasses,
)
from .lineage import method_of, project_lineage
from .members import (
    attribute_of_self,
    is_of_super,
    members,
    returns_of,
    self_name,
)
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..reading.module import Module
    from ..reading.values import Value
    from .members import Method

Given = tuple["Module", ast.expr]


@remembered_of_class
def giving(cls: Class, name: str) -> tuple[Class, ...]:
    """The subclasses that give `self.name`, where the class gives it nothing but None.

    They inherit the methods that use it. Those in other files only if there is none in
    the same.
    """
    if method_of(cls, name) is not None or not all(
        is_nothing(given) for _, given in given_by(cls, name)
    ):
        return ()
    using = [
        method
        for method in members(cls.module, cls.node).methods.values()
        if any(_reads(node, name) for node in nodes_in(method))
    ]
    if not using:
        return ()
    near = tuple(subclasses(cls, everywhere=False))
    methods = [Routine(cls.module, method) for method in using]
    return _giving(near, name, methods) or _giving(_elsewhere(cls), name, methods)


def is_nothing(expression: ast.expr) -> bool:
    """Whether it is None, to be replaced."""
    return isinstance(expression, ast.Constant) and expression.value is None


def _giving(
    heirs: tuple[Class, ...], name: str, using: list[Routine]
) -> tuple[Class, ...]:
    return tuple(
        one
        for one in heirs
        if members(one.module, one.node).given(name)
        and all(_inherits_its_like(one, method) for method in using)
    )


def _inherits_its_like(cls: Class, method: Routine) -> bool:
    """Whether it inherits that method, perhaps as read anew: a file is read twice."""
    found = method_of(cls, getattr(method.node, "name", ""))
    return (
        found is not None
        and start(found.node) == start(method.node)
        and found.module.real_path == method.module.real_path
    )


@remembered_of_class
def _elsewhere(cls: Class) -> tuple[Class, ...]:
    """The subclasses in other files, for a layer or network."""
    if keras_kind(cls) is None or cls.module.is_test:
        return ()
    return tuple(
        one
        for one in descendants(cls)
        if one.module is not cls.module and not one.module.is_test
    )


def called_layers(module: Module, called: ast.expr) -> tuple[Value, ...]:
    """What is called; of `self.name`, or a loop over it, else what subclasses give."""
    return values(module, called) or tuple(_given_by_heirs(module, called))


def _given_by_heirs(module: Module, called: ast.expr) -> Iterator[Value]:
    loop = module.scopes.loop_of(called) if isinstance(called, ast.Name) else None
    name = attribute_of_self(called if loop is None else loop.iter, "self")
    owner = None if name is None else module.scopes.enclosing_class(called)
    if owner is None or name is None:
        return
    for heir in giving(Class(module, owner), name):
        for given in members(heir.module, heir.node).given(name):
            for value in values(heir.module, given):
                match value:
                    case Items(where, ast.List(elts=parts) | ast.Tuple(elts=parts)):
                        for part in parts if loop is not None else ():
                            yield from values(where, part)
                    case _:
                        yield value


def heirs_show(module: Module, sign: Callable[[str], bool]) -> bool:
    """Whether files have a sign whose classes give those here what they call."""
    return any(sign(heir.module.text) for heir in _heirs_of(module))


@remembered
def _heirs_of(module: Module) -> frozenset[Class]:
    """The subclasses that give `self.name` where a class here calls it."""
    found: set[Class] = set()
    for node in module.classes:
        own = Class(module, node)
        called = {
            attribute_of_self(call.func, self_name(method))
            for method in members(module, node).methods.values()
            for call in calls_in(module, method)
        }
        for name in called - {None} if keras_kind(own) is not None else ():
            found.update(giving(own, name))  # type: ignore[arg-type]
    return frozenset(found)


def _reads(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name


def inherits(cls: Class, method: Method) -> bool:
    """Whether its instances run that method by its name, perhaps through `super()`."""
    return any(routine.node is method for routine in reached(cls, method.name))


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
