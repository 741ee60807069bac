"""Instances in sight of a class: what they are made with, and what they keep."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.limits import SUBCLASSES
from ..reading.memo import remembered_of_class
from ..reading.values import Class, Routine, Self
from .classes import graph_keywords, keras_kind
from .lineage import method_of, project_lineage
from .members import members
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..reading.module import Module
    from ..reading.values import Value

_Given = tuple["Module", ast.expr]


@remembered_of_class
def attribute_given(cls: Class, name: str) -> tuple[_Given, ...]:
    """What `self.name` is given, in a method of the class or of a subclass.

    What a class body sets, a subclass may set anew: then those count of which there
    are instances in sight.
    """
    own = given_by(cls, name)
    if not any(_is_in_body(*one) for one in own):
        return tuple(own)
    made = _in_sight(cls)
    return tuple(dict.fromkeys(given for one in made for given in given_by(one, name)))


@remembered_of_class
def _methods_in_sight(cls: Class, name: str) -> tuple[Routine, ...]:
    """The methods that `self.name()` may run, by the instances in sight.

    Those of subclasses only if there is none of the class itself.
    """
    made = (cls,) if _is_made(cls) else _in_sight(cls)
    found = (method_of(one, name) for one in made)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def called(module: Module, call: ast.Call) -> Iterator[Value]:
    """Yield what is called; of `self.make()`, what subclasses make of it."""
    match call.func:
        case ast.Attribute(value=ast.Name() as base, attr=name):
            owners = [one.cls for one in values(module, base) if isinstance(one, Self)]
        case _:
            owners, name = [], ""
    found = [one for owner in owners for one in _methods_in_sight(owner, name)]
    yield from found or values(module, call.func)


@remembered_of_class
def _in_sight(cls: Class) -> tuple[Class, ...]:
    """The class and its subclasses, those of which there are instances if any."""
    known = (cls, *subclasses(cls))
    return tuple(one for one in known if _is_made(one)) or known


@remembered_of_class
def graphs_given(cls: Class) -> tuple[_Given, ...]:
    """What a network is built of whose constructor is Keras' own: `Net(x, y)`."""
    if keras_kind(cls) not in ("model", "sequential") or _has_own_arguments(cls):
        return ()
    return tuple(
        (module, given)
        for module, call in constructions(cls)
        for given in (*call.args, *graph_keywords(call))
    )


def constructions(cls: Class) -> Iterator[tuple[Module, ast.Call]]:
    """The calls by the name of a class that make an instance of it."""
    for module in modules_with(cls, construction(cls)):
        for call in module.calls_by_name.get(cls.node.name, ()):
            if any(
                isinstance(value, Class) and _is_same(value, cls)
                for value in values(module, call.func)
            ):
                yield module, call


def _has_own_arguments(cls: Class) -> bool:
    constructor = method_of(cls, "__init__")
    return constructor is not None and constructor.node.args.vararg is None


def given_by(cls: Class, name: str) -> list[_Given]:
    """What a class gives `self.name`: in its methods, and in the nearest body."""
    found: list[_Given] = []
    for ancestor in project_lineage(cls):
        for one in members(ancestor.module, ancestor.node).assigned(name):
            hidden = any(_is_in_body(*before) for before in found)
            if not (hidden and _is_in_body(ancestor.module, one)):
                found.append((ancestor.module, one))
    return found


def _is_in_body(module: Module, expression: ast.expr) -> bool:
    return module.scopes.scope_of(expression).is_class


def modules_with(cls: Class, use: re.Pattern[str]) -> Iterator[Module]:
    """The module of a class, and others that may name it in such a way."""
    yield cls.module
    for path in _files_with(cls, use):
        other = cls.module.project.load(path)
        if other is not None:
            yield other


def _files_with(cls: Class, use: re.Pattern[str]) -> Iterator[Path]:
    """The other files that may name the class in such a way, unparsed."""
    texts, here = cls.module.project.texts, cls.module.real_path
    for path in texts.naming([cls.node.name, cls.module.imported_as], ""):
        if path != here and use.search(texts.read(path)):
            yield path


def construction(cls: Class) -> re.Pattern[str]:
    """The text of a call that makes an instance, but for another name of the class."""
    return re.compile(rf"(?<!class )\b{cls.node.name}\s*\(")


def subclasses(cls: Class, everywhere: bool = True) -> Iterator[Class]:
    """The classes that extend it, of its own file or of the whole project."""
    as_base = re.compile(rf"\bclass\s+\w+\s*\([^)]*\b{cls.node.name}\b")
    near = [cls.module]
    for module in modules_with(cls, as_base) if everywhere else near:
        for node in module.classes:
            found = Class(module, node)
            if node.bases and any(
                _is_same(base, cls) for base in project_lineage(found)[1:]
            ):
                yield found


@remembered_of_class
def descendants(cls: Class) -> tuple[Class, ...]:
    """The classes of the project that extend it, and those that extend these."""
    found: dict[tuple[Path, int], Class] = {}
    pending = [cls]
    while pending and len(found) < SUBCLASSES:
        for one in subclasses(pending.pop(0)):
            key = one.module.real_path, one.node.lineno
            if key not in found:
                found[key] = one
                pending.append(one)
    return tuple(found.values())[:SUBCLASSES]


def _is_same(one: Class, other: Class) -> bool:
    """Whether it is that class: a file is read twice, to lint and as imported."""
    return (
        one.node.lineno == other.node.lineno
        and one.module.real_path == other.module.real_path
    )


def _is_made(cls: Class) -> bool:
    return cls.node.name in cls.module.calls_by_name or any(
        True for _ in _files_with(cls, construction(cls))
    )
