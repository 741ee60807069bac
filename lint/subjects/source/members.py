"""What a class binds on itself and on its instances, read off its text alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scopes import Function

Method = ast.FunctionDef | ast.AsyncFunctionDef
_GROWING = {"append", "add", "extend", "insert"}


@dataclass(eq=False)
class Members:
    """Methods, and the expressions that each attribute is given.

    Attributes:
        methods: those defined in the class body.
        attributes: what is assigned to `name` in the body or to `self.name`.
        added: what is appended to the list `self.name`.
    """

    methods: dict[str, Method] = field(default_factory=dict)
    attributes: dict[str, list[ast.expr]] = field(
        default_factory=lambda: defaultdict(list)
    )
    added: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))


def read_members(node: ast.ClassDef) -> Members:
    """Read the members of a class."""
    members = Members()
    for statement in node.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                members.methods[statement.name] = statement
                _read_method(statement, members)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        members.attributes[target.id].append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                members.attributes[name].append(value)
    return members


def self_name(function: Function) -> str | None:
    """What a method calls its instance."""
    positional = [*function.args.posonlyargs, *function.args.args]
    return positional[0].arg if positional else None


def attribute_of_self(node: ast.AST, me: str | None) -> str | None:
    """`name` if the node is `self.name`."""
    match node:
        case ast.Attribute(value=ast.Name(id=base), attr=name) if base == me:
            return name
    return None


def is_false(node: ast.AST) -> bool:
    """Whether the node is a literal False."""
    return isinstance(node, ast.Constant) and node.value is False


def _read_method(method: Method, members: Members) -> None:
    me = self_name(method)
    for node in ast.walk(method):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _read_target(target, value, me, members)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _read_target(target, value, me, members)
            case ast.AugAssign(target=target, value=value):
                name = attribute_of_self(target, me)
                if name is not None:
                    members.added[name].append(value)
            case ast.Call():
                _read_call(node, me, members)


def _read_target(
    target: ast.expr, value: ast.expr, me: str | None, members: Members
) -> None:
    name = attribute_of_self(target, me)
    if name is not None:
        members.attributes[name].append(value)
        return
    match target:
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            same = isinstance(value, ast.Tuple | ast.List)
            if same and len(value.elts) == len(targets):  # type: ignore[attr-defined]
                for each, part in zip(targets, value.elts, strict=True):  # type: ignore[attr-defined]
                    _read_target(each, part, me, members)
        case ast.Subscript(value=base):
            name = attribute_of_self(base, me)
            if name is not None:
                members.added[name].append(value)


def _read_call(call: ast.Call, me: str | None, members: Members) -> None:
    match call:
        case ast.Call(func=ast.Attribute(value=base, attr=action), args=[*_, last]):
            name = attribute_of_self(base, me)
            if name is not None and action in _GROWING:
                members.added[name].append(last)
