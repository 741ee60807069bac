"""The places where names get their values."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, auto

from .nodes import Position, ScopeNode, end, start

# Exact types, as every node of every file is checked for these.
BINDING = frozenset(
    (
        *(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign, ast.Global),
        *(ast.For, ast.AsyncFor, ast.comprehension, ast.withitem, ast.ExceptHandler),
        *(ast.Import, ast.ImportFrom, ast.ClassDef),
        *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda),
    )
)


# Where the variable of a comprehension holds: in all of it, and nowhere else.
ANYWHERE: Position = (0, 0)


class Kind(Enum):
    """The way a name got its value."""

    VALUE = auto()  # name = expression
    ITEM = auto()  # one of several targets, or a loop variable: a part of it
    IMPORT = auto()
    DEFINITION = auto()  # def or class
    PARAMETER = auto()
    OTHER = auto()  # bound to something that is not followed


@dataclass(eq=False, slots=True)  # frozen ones take three times as long to make
class Binding:
    """A place where a name gets a value.

    Attributes:
        kind: how.
        node: the expression, definition, alias or parameter.
        ready: the position from which the binding holds.
        place: the node that shows in which block it is.
        index: which item of the expression; None for any.
        inner: which item of that item, in loops such as `for name, layer in pairs`.
        dotted: for imports, the imported name with its leading dots.
    """

    kind: Kind
    node: ast.AST
    ready: Position
    place: ast.AST
    index: int | None = None
    dotted: str = ""
    inner: int | None = None


@dataclass(eq=False)
class Scope:
    """A module, class or function body and the names it binds."""

    node: ScopeNode
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(
        default_factory=lambda: defaultdict(list)
    )
    stars: list[str] = field(default_factory=list)

    @property
    def is_class(self) -> bool:
        """Whether this is a class body, which functions inside cannot see."""
        return isinstance(self.node, ast.ClassDef)

    def lasting(self, bindings: list[Binding]) -> list[Binding]:
        """Those seen once the body has run: no import that a definition replaces."""
        kinds = {binding.kind for binding in bindings}
        if not {Kind.IMPORT, Kind.DEFINITION} <= kinds:
            return bindings
        body = getattr(self.node, "body", ())
        defined = [
            binding.ready
            for binding in bindings
            if binding.kind is Kind.DEFINITION and binding.place in body
        ]
        return [
            binding
            for binding in bindings
            if binding.kind is not Kind.IMPORT
            or all(binding.ready > ready for ready in defined)
        ]


def bind(node: ast.AST, scope: Scope) -> None:
    """Enter the names that a node binds."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _bind_target(target, value, end(node), node, scope)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            _bind_target(target, value, end(node), node, scope)
        case ast.NamedExpr(target=target, value=value):
            _bind_target(target, value, end(node), node, scope)
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            part = Binding(Kind.ITEM, value, end(node), node)
            scope.bindings[name].append(part)
        case ast.For() | ast.AsyncFor():
            _bind_loop(node.target, node.iter, end(node.iter), node.target, scope)
        case ast.comprehension():
            _bind_loop(node.target, node.iter, ANYWHERE, node.target, scope)
        case ast.withitem(optional_vars=ast.expr() as target):
            _bind_target(target, node.context_expr, end(target), target, scope)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            made = Binding(Kind.DEFINITION, node, start(node), node)
            scope.bindings[node.name].append(made)
        case ast.Import() | ast.ImportFrom():
            _bind_import(node, scope)
        case ast.ExceptHandler(name=str() as name):
            scope.bindings[name].append(Binding(Kind.OTHER, node, start(node), node))


def _bind_target(
    target: ast.expr, value: ast.expr, ready: Position, place: ast.AST, scope: Scope
) -> None:
    match target:
        case ast.Name(id=name):
            scope.bindings[name].append(Binding(Kind.VALUE, value, ready, place))
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            _bind_several(targets, value, ready, place, scope)


def _bind_several(
    targets: list[ast.expr],
    value: ast.expr,
    ready: Position,
    place: ast.AST,
    scope: Scope,
) -> None:
    pairs = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets)
    for index, target in enumerate(targets):
        if pairs:
            assert isinstance(value, ast.Tuple | ast.List)
            _bind_target(target, value.elts[index], ready, place, scope)
        elif isinstance(target, ast.Name):
            part = Binding(Kind.ITEM, value, ready, place, index)
            scope.bindings[target.id].append(part)
        else:
            _bind_item(target, value, ready, place, scope)


def _bind_loop(
    target: ast.expr, over: ast.expr, ready: Position, place: ast.AST, scope: Scope
) -> None:
    """Bind the variables of a loop to items of what it goes over."""
    match target, over:
        case (
            ast.Tuple(elts=targets),
            ast.Call(func=ast.Name(id="zip"), args=parts),
        ) if len(targets) == len(parts) and not any(
            isinstance(part, ast.Starred) for part in (*targets, *parts)
        ):
            for one, part in zip(targets, parts, strict=True):
                _bind_loop(one, part, ready, place, scope)
        case (
            ast.Tuple(elts=[ast.Name(id=count), item]),
            ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]),
        ):
            scope.bindings[count].append(Binding(Kind.OTHER, over, ready, place))
            _bind_loop(item, inner, ready, place, scope)
        case ast.Tuple(elts=targets), _ if all(
            isinstance(one, ast.Name) for one in targets
        ):
            for index, one in enumerate(targets):
                assert isinstance(one, ast.Name)
                bound = Binding(Kind.ITEM, over, ready, place, inner=index)
                scope.bindings[one.id].append(bound)
        case _:
            _bind_item(target, over, ready, place, scope)


def _bind_item(
    target: ast.expr, value: ast.expr, ready: Position, place: ast.AST, scope: Scope
) -> None:
    """Bind every name in a target to some part of the value."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.bindings[node.id].append(Binding(Kind.ITEM, value, ready, place))


def _bind_import(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    prefix = ""
    if isinstance(node, ast.ImportFrom):
        prefix = "." * node.level + (node.module or "")
        prefix += "" if prefix.endswith(".") or not prefix else "."
    for alias in node.names:
        if alias.name == "*":
            scope.stars.append(prefix)
            continue
        dotted = prefix + alias.name
        name = alias.asname or alias.name
        if isinstance(node, ast.Import) and alias.asname is None:
            name = dotted = alias.name.partition(".")[0]
        bound = Binding(Kind.IMPORT, alias, end(node), node, None, dotted)
        scope.bindings[name].append(bound)
