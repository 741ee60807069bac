"""Names that a class binds on itself and its instances, and results of functions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import Function, nodes_in
from ..reading.values import is_static

if TYPE_CHECKING:
    from ..reading.module import Module

Method = ast.FunctionDef | ast.AsyncFunctionDef
_Expressions = dict[str, list[ast.expr]]
# Exact types, as every node of a method is checked for these.
_ASSIGNING = {ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Call}
_GROWING = {"append", "add", "extend", "insert"}
# What sets attributes from a mapping: `vars(self).update(settings)`.
_NAMESPACE_SET = r"(?:__dict__|\bvars\(\w+\))(?:\.update\(|\[|\s*=(?!=))"
DYNAMIC = "*"
"""The attributes whose names are computed, as one."""


class Members:
    """Methods, inner classes, and the expressions that each attribute is given."""

    def __init__(self, node: ast.ClassDef):
        self._node = node
        self._attributes: _Expressions | None = None
        self._added: _Expressions = defaultdict(list)
        self.methods = {
            statement.name: statement
            for statement in node.body
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.classes = {
            statement.name: statement
            for statement in node.body
            if isinstance(statement, ast.ClassDef)
        }

    def given(self, name: str) -> list[ast.expr]:
        """Return what is assigned, or added, to `name` in the body or `self.name`."""
        return self.assigned(name) + self._added.get(name, [])

    def assigned(self, name: str) -> list[ast.expr]:
        """Return what is assigned to `name` in the body or to `self.name`."""
        if self._attributes is None:
            self._attributes = defaultdict(list)
            self._read(self._attributes)
        return self._attributes.get(name, [])

    def _read(self, attributes: _Expressions) -> None:
        for statement in self._node.body:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    _read_method(statement, attributes, self._added)
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            attributes[target.id].append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    attributes[name].append(value)


@remembered
def members(_module: Module, node: ast.ClassDef) -> Members:
    """The members of a class of the module."""
    return Members(node)


@remembered
def returns_of(_module: Module, function: Function) -> list[ast.expr]:
    """The expressions that a function returns or yields."""
    if isinstance(function, ast.Lambda):
        return [function.body]
    found: list[ast.expr] = []
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            found.append(node.value)
        pending += ast.iter_child_nodes(node)
    return found


def self_name(function: Function) -> str | None:
    """Return the name of a method's instance; a static one has none."""
    positional = [*function.args.posonlyargs, *function.args.args]
    return positional[0].arg if positional and not is_static(function) else None


def attribute_of_self(node: ast.AST, me: str | None) -> str | None:
    """`name` if the node is `self.name`."""
    match node:
        case ast.Attribute(value=ast.Name(id=base), attr=name) if base == me:
            return name
    return None


def is_of_super(function: ast.expr) -> bool:
    """Whether it is `super().name`."""
    match function:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
            return True
    return False


def constant_name(key: ast.expr) -> str:
    """The attribute that `getattr` or `setattr` is given; DYNAMIC if it is computed."""
    return str(key.value) if isinstance(key, ast.Constant) else DYNAMIC


def is_false(node: ast.AST) -> bool:
    """Whether the node is a literal False."""
    return isinstance(node, ast.Constant) and node.value is False


@remembered
def is_set_from_outside(
    module: Module, name: str, even_from_mappings: bool = True
) -> bool:
    """Whether something sets the attribute on another object, or by its name.

    That may be one of the names in a mapping, unless these are known otherwise.
    """
    by_name = [r"setattr\(", _NAMESPACE_SET] if even_from_mappings else []
    use = re.compile("|".join([rf"(?<!\bself)\.{name}\s*=(?!=)", *by_name]))
    return module.matches(use)


def is_set_elsewhere(module: Module, name: str) -> bool:
    """Whether another file may set it; true if the project is too large to tell."""
    setting = setting_of(name)
    texts = module.project.texts.by_path.values()
    return not texts or any(
        setting.search(text) for text in texts if text != module.text
    )


def setting_of(name: str) -> re.Pattern[str]:
    """The pattern of what sets an attribute, or names it in a string to do so."""
    return re.compile(rf"\.{name}\s*=(?!=)|[\"']{name}[\"']")


def _read_method(method: Method, attributes: _Expressions, added: _Expressions) -> None:
    me = self_name(method)
    for node in nodes_in(method):
        if type(node) not in _ASSIGNING:
            continue
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _read_target(target, value, me, attributes, added)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _read_target(target, value, me, attributes, added)
            case ast.AugAssign(target=target, value=value):
                name = attribute_of_self(target, me)
                if name is not None:
                    added[name].append(value)
            case ast.Call(
                func=ast.Name(id="setattr"), args=[ast.Name(id=base), key, value]
            ) if base == me:
                added[constant_name(key)].append(value)
            case ast.Call(func=ast.Attribute(value=base, attr=action), args=[*_, last]):
                name = attribute_of_self(base, me)
                if name is not None and action in _GROWING:
                    added[name].append(last)


def _read_target(
    target: ast.expr,
    value: ast.expr,
    me: str | None,
    attributes: _Expressions,
    added: _Expressions,
) -> None:
    name = attribute_of_self(target, me)
    if name is not None:
        attributes[name].append(value)
        return
    match target, value:
        case (
            ast.Tuple(elts=targets) | ast.List(elts=targets),
            ast.Tuple(elts=parts) | ast.List(elts=parts),
        ) if len(targets) == len(parts):
            for place, part in zip(targets, parts, strict=True):
                _read_target(place, part, me, attributes, added)
        case (
            ast.Tuple(elts=targets) | ast.List(elts=targets),
            ast.Call(),
        ) if not any(isinstance(target, ast.Starred) for target in targets):
            for index, place in enumerate(targets):
                _read_target(place, _item(value, index), me, attributes, added)
        case ast.Subscript(value=base), _:
            name = attribute_of_self(base, me)
            if name is not None:
                added[name].append(value)


def _item(value: ast.expr, index: int) -> ast.expr:
    """`value[index]`, which is what unpacking it gives a name."""
    number = ast.copy_location(ast.Constant(index), value)
    return ast.copy_location(ast.Subscript(value, number, ast.Load()), value)
