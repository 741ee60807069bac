"""Layers that a class keeps as an attribute and that none of its methods calls."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.bindings import Kind
from ..reading.limits import LAYERS_INSIDE
from ..reading.memo import remembered
from ..reading.nodes import end, start
from ..reading.text import without_comments
from ..reading.uses import reads
from ..reading.values import Class, Known
from ..resolving.classes import keras_kind
from ..resolving.lineage import method_of, project_lineage
from ..resolving.members import attribute_of_self, self_name
from ..resolving.resolve import values
from .applied import kind_applied, kind_made
from .losses import (
    Loss,
    Unused,
    is_meant,
    may_be_layer,
    mentions_layers,
    read_on,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# By which a class may find layers without naming them.
_LOOKS_UP = re.compile(
    r"\bgetattr\(|__dict__|\b(vars|dir|eval|exec|get_layer)\(|__getattr|submodules"
    r"|\bself\.(_\w*)?layers\b|_flatten_layers"
)
# Functions of TensorFlow and PyTorch, whose calls say nothing of attributes.
_FUNCTIONS = {"dropout", "alpha_dropout", "batch_norm", "batch_normalization"}
_PLAIN_BASES = {
    *("keras.Model", "keras.layers.Layer", "keras.layers.Wrapper", "object"),
    *("tensorflow.Module", "abc.ABC"),
}


def uncalled_members(module: Module) -> Iterator[Unused]:
    """Yield each layer that no method calls, and each result that no method reads."""
    if module.is_test or not mentions_layers(module):
        return
    for assignment in module.scopes.of(ast.Assign):
        match assignment.targets:
            case [ast.Attribute(value=ast.Name()) as target]:
                owner = _owner(module, target)
                for call in _calls_in(assignment.value) if owner else ():
                    if owner and not _is_read(module, owner, target.attr):
                        yield from _unused(module, owner, assignment, call)
                        break


def _calls_in(value: ast.expr) -> Iterator[ast.Call]:
    """The calls that may make a layer, or several in a list, or apply one."""
    match value:
        case ast.Call() if may_be_layer(value.func):
            yield value
        case ast.List(elts=items):
            for item in items:
                yield from _calls_in(item)
        case ast.ListComp(elt=item):
            yield from _calls_in(item)


def _unused(
    module: Module, owner: Class, assignment: ast.Assign, call: ast.Call
) -> Iterator[Unused]:
    target = assignment.targets[0]
    assert isinstance(target, ast.Attribute)
    kind = kind_made(module, call)
    if kind is not None:
        if _is_whole(owner, target.attr):
            is_sure = kind == names.BATCH_NORM and _others_are_called(module, owner)
            yield Unused(call, kind, Loss.NEVER_CALLED, target.attr, is_sure=is_sure)
        return
    kind = kind_applied(module, call, LAYERS_INSIDE)
    if kind is None or is_meant(module, call, kind):
        return
    for tensor in (
        *_attributes_read_on(module, owner, assignment, call),
        *read_on(module, assignment, call),
    ):
        if _is_whole(owner, target.attr):
            name = ast.unparse(target)
            yield Unused(call, kind, Loss.NOT_READ, name, tensor)
        return


def _others_are_called(module: Module, owner: Class) -> bool:
    """Whether the class calls other BN layers, so that one was forgotten."""
    return any(
        kind_made(module, call) == names.BATCH_NORM
        for assignment in module.scopes.of(ast.Assign)
        if module.scopes.enclosing_class(assignment) is owner.node
        for target in assignment.targets[:1]
        if isinstance(target, ast.Attribute) and _is_read(module, owner, target.attr)
        for call in _calls_in(assignment.value)
    )


def _attributes_read_on(
    module: Module, owner: Class, assignment: ast.Assign, call: ast.Call
) -> Iterator[str]:
    """The attribute that a call is given, if it is read after it as it was."""
    match call.args:
        case [ast.Attribute(value=ast.Name(id="self"), attr=name) as given, *_]:
            if any(
                start(node) > end(assignment)
                and module.scopes.enclosing_class(node) is owner.node
                for node in _attributes(module).get(name, ())
            ):
                yield ast.unparse(given)


def _owner(module: Module, target: ast.Attribute) -> Class | None:
    """The class whose method sets its own attribute."""
    method = module.scopes.enclosing_function(target)
    node = None if method is None else module.owner_of(method)
    if method is None or node is None:
        return None
    own = attribute_of_self(target, self_name(method)) is not None
    return Class(module, node) if own else None


def _is_read(module: Module, owner: Class, name: str) -> bool:
    """Whether the module may read an attribute of that class, or of a subclass."""
    readers = _readers(module, name)
    return owner.node in readers or any(
        node is None or _are_related(owner, Class(module, node)) for node in readers
    )


@remembered
def _readers(module: Module, name: str) -> frozenset[ast.ClassDef | None]:
    """The classes that read such an attribute of their own; None for anything else."""
    found: set[ast.ClassDef | None] = set()
    for node in _attributes(module).get(name, ()):
        match node.value:
            case ast.Name(id="self"):
                found.add(module.scopes.enclosing_class(node))
            case base if not _is_imported(module, base):
                found.add(None)
    return frozenset(found)


@remembered
def _attributes(module: Module) -> dict[str, list[ast.Attribute]]:
    """The places that read each attribute."""
    index: dict[str, list[ast.Attribute]] = {}
    for node in module.scopes.of(ast.Attribute):
        if reads(module, node):
            index.setdefault(node.attr, []).append(node)
    return index


def _is_imported(module: Module, base: ast.expr) -> bool:
    """Whether it is a module, or part of one: `tf.nn`."""
    while isinstance(base, ast.Attribute):
        base = base.value
    found = module.scopes.lookup(base) if isinstance(base, ast.Name) else None
    return found is not None and all(one.kind is Kind.IMPORT for one in found[1])


def _are_related(one: Class, other: Class) -> bool:
    return one in project_lineage(other) or other in project_lineage(one)


def _is_whole(cls: Class, name: str) -> bool:
    """Whether all that may read an attribute of the class is in sight, and does not."""
    if any(map(hints.is_test, cls.module.scopes.names_around(cls.node.body[0]))):
        return False
    if keras_kind(cls) and method_of(cls, "call") is None:
        return False
    for ancestor in project_lineage(cls):
        text = _text(ancestor)
        inherited = ancestor != cls and re.search(rf"\.{name}\b", text)
        if inherited or _LOOKS_UP.search(text) or not _has_plain_bases(ancestor):
            return False
    return not _is_read_elsewhere(cls, name)


def _text(cls: Class) -> str:
    lines = cls.module.lines[cls.node.lineno - 1 : cls.node.end_lineno]
    return without_comments("\n".join(lines))


def _has_plain_bases(cls: Class) -> bool:
    """Whether nothing is inherited that may call attributes by their names."""
    for base in cls.node.bases:
        found = values(cls.module, base)
        if not found or not all(
            isinstance(value, Class)
            or (isinstance(value, Known) and value.name in _PLAIN_BASES)
            for value in found
        ):
            return False
    return not cls.node.keywords


def _is_read_elsewhere(cls: Class, name: str) -> bool:
    """Whether another file that knows the class reads such an attribute."""
    here, texts = cls.module.real_path, cls.module.project.texts
    read = re.compile(rf"\.{name}\b")
    called = re.compile(rf"(?<!\bself)\.{name}\(")
    may_be_called = name not in _FUNCTIONS
    knows = re.compile(rf"(?<!class )\b{cls.node.name}\b")
    return any(
        f".{name}" in text
        and read.search(text)
        and (
            (may_be_called and called.search(text))
            or (
                knows.search(text)
                and not re.search(rf"\bclass {cls.node.name}\b", text)
            )
        )
        for _, text in texts.beside(here)
    )
