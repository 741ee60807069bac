"""The bindings of names in each scope, and the binding that a use sees.

One walk over a syntax tree gives every node its parent and its scope, and every scope
its bindings. Flow is followed roughly but soundly enough for a linter: in straight code
the last binding before a use counts, branches and loops add theirs.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast

from .limits import BINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

Position = tuple[int, int]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ScopeNode = ast.Module | ast.ClassDef | Function
# The block a statement is in: the id of the statement around it, and which part.
Block = tuple[int, str]
Node = TypeVar("Node", bound=ast.AST)


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
        dotted: for imports, the imported name with its leading dots.
    """

    kind: Kind
    node: ast.AST
    ready: Position
    place: ast.AST
    index: int | None = None
    dotted: str = ""


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


# Exact types, as every node of every file is checked for these.
_NAMING = frozenset(
    (
        *(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign, ast.Global),
        *(ast.For, ast.AsyncFor, ast.comprehension, ast.withitem, ast.ExceptHandler),
        *(ast.Import, ast.ImportFrom, ast.ClassDef),
        *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda),
    )
)
# Fields without nodes, or with nodes that are never needed: operators and contexts.
_PLAIN = frozenset(
    (
        *("ctx", "op", "ops", "id", "attr", "module", "level", "asname"),
        *("type_comment", "type_ignores", "simple", "conversion", "is_async", "kind"),
    )
)


class _Parts(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each type of node that hold others, last first."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        leaf = kind in (ast.Name, ast.Constant)
        names = () if leaf else kind._fields[::-1]
        self[kind] = found = tuple(each for each in names if each not in _PLAIN)
        return found


_PARTS = _Parts()
# Those that hold statements.
_BLOCKS = frozenset(("body", "orelse", "finalbody", "handlers"))


def nodes_in(tree: ast.AST) -> Iterator[ast.AST]:
    """Return what `ast.walk` does but for operators and contexts, in half the time."""
    pending = deque((tree,))
    while pending:
        node = pending.popleft()
        for name in reversed(_PARTS[type(node)]):
            value = getattr(node, name, None)
            if isinstance(value, list):
                pending.extend(each for each in value if isinstance(each, ast.AST))
            elif isinstance(value, ast.AST):
                pending.append(value)
        yield node


class Scopes:
    """Parents, scopes and bindings of one syntax tree.

    Attributes:
        nodes: all nodes in the order of the text, without operators and contexts.
        parents: the node around each.
        top: the scope of the module.
    """

    def __init__(self, tree: ast.Module):
        self.nodes: list[ast.AST] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self._scopes: dict[ast.AST, Scope] = {}
        self._parts: dict[ast.AST, str] = {}
        self._blocks_around: dict[ast.AST, frozenset[Block]] = {}
        self._ordered: dict[
            tuple[Scope, str], tuple[list[Position], list[Binding]]
        ] = {}
        self.top = Scope(tree, None)
        self._walk(tree)

    def _walk(self, tree: ast.Module) -> None:
        # It sees every node of every file, hence the local names and no function calls.
        pending: list[tuple[ast.AST, Scope]] = [(tree, self.top)]
        nodes, scopes, parents, parts = (
            self.nodes,
            self._scopes,
            self.parents,
            self._parts,
        )
        while pending:
            node, scope = pending.pop()
            nodes.append(node)
            scopes[node] = scope
            kind = type(node)
            inner = self._enter(node, scope) if kind in _NAMING else scope
            for name in _PARTS[kind]:
                value = getattr(node, name, None)
                if not value:
                    continue
                # Defaults, decorators and bases are evaluated outside the body.
                outside = inner is scope or name in ("decorator_list", "bases")
                where = scope if outside else inner
                if type(value) is list:
                    for child in reversed(value):
                        if isinstance(child, ast.AST):
                            parents[child] = node
                            pending.append((child, where))
                    if name in _BLOCKS:
                        parts.update(dict.fromkeys(value, name))
                elif isinstance(value, ast.AST):
                    parents[value] = node
                    pending.append((value, where))

    def _enter(self, node: ast.AST, scope: Scope) -> Scope:
        _bind(node, scope)
        if isinstance(node, ast.Global):
            for name in node.names:  # Names bound here are bound in the module.
                scope.bindings[name] = self.top.bindings[name]
        if not isinstance(node, ScopeNode) or isinstance(node, ast.Module):
            return scope
        inner = Scope(node, scope)
        if not isinstance(node, ast.ClassDef):
            for argument in arguments_of(node):
                place = Binding(Kind.PARAMETER, argument, start(node), node)
                inner.bindings[argument.arg].append(place)
        return inner

    @cached_property
    def _by_kind(self) -> dict[type[ast.AST], list[ast.AST]]:
        index: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        for node in self.nodes:
            index[type(node)].append(node)
        return index

    def of(self, kind: type[Node]) -> list[Node]:
        """The nodes of one type, in the order of the text."""
        return cast("list[Node]", self._by_kind.get(kind, []))

    def scope_of(self, node: ast.AST) -> Scope:
        """The scope that the node is evaluated in."""
        return self._scopes[node]

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around it, from the inside out."""
        current = self.parents.get(node)
        while current is not None:
            yield current
            current = self.parents.get(current)

    def names_around(self, node: ast.AST) -> list[str]:
        """The names of the functions and classes around it, from the inside out."""
        named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        return [each.name for each in self.ancestors(node) if isinstance(each, named)]

    def enclosing_function(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        for outer in self.ancestors(node):
            if isinstance(outer, Function):
                return outer
        return None

    def enclosing_class(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class around a node."""
        for outer in self.ancestors(node):
            if isinstance(outer, ast.ClassDef):
                return outer
        return None

    def lookup(self, name: ast.Name) -> tuple[Scope, list[Binding]] | None:
        """The scope a name is bound in, and the bindings that its use may see."""
        scope: Scope | None = self.scope_of(name)
        home = scope
        while scope is not None:
            if name.id in scope.bindings and (scope is home or not scope.is_class):
                found = scope.bindings[name.id]
                return scope, self._reaching(scope, name) if scope is home else found
            scope = scope.parent
        return None

    def precedes(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether what runs the second has run the first, as far as blocks show."""
        return self._blocks(first) <= self._blocks(second)

    def may_precede(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether both can run in one go: not in two branches of the same `if`."""
        return not _exclusive(self._blocks(first), self._blocks(second))

    def _reaching(self, scope: Scope, use: ast.Name) -> list[Binding]:
        """The bindings of its own scope that a use may see, the last one first."""
        bindings = scope.bindings[use.id]
        if len(bindings) == 1:
            return bindings
        blocks = self._blocks(use)
        loops = [
            (outer.lineno, outer.end_lineno or outer.lineno)
            for outer in self.ancestors(use)
            if isinstance(outer, ast.For | ast.AsyncFor | ast.While)
        ]
        places, ordered = self._last_first(scope, use.id)
        line, column = start(use)
        first = bisect_left(places, (-line, -column))
        result: list[Binding] = []
        for binding in islice(ordered, first, None):
            theirs = self._blocks(binding.place)
            if _exclusive(theirs, blocks):
                continue
            result.append(binding)
            if theirs <= blocks:  # it is bound again in every round that reaches it
                line = binding.ready[0]
                loops = [each for each in loops if not each[0] <= line <= each[1]]
                return _in_loops(ordered, first, loops) + result
            if len(result) == BINDINGS:
                break
        result = _in_loops(ordered, first, loops) + result
        return result or bindings

    def _last_first(
        self, scope: Scope, name: str
    ) -> tuple[list[Position], list[Binding]]:
        """The bindings of a name from the last to the first, and the order's keys."""
        if (scope, name) not in self._ordered:
            bindings = scope.bindings[name]
            ordered = sorted(bindings, key=lambda each: each.ready, reverse=True)
            places = [(-each.ready[0], -each.ready[1]) for each in ordered]
            self._ordered[scope, name] = places, ordered
        return self._ordered[scope, name]

    def _blocks(self, node: ast.AST) -> frozenset[Block]:
        if node not in self._blocks_around:
            self._blocks_around[node] = frozenset(self._find_blocks(node))
        return self._blocks_around[node]

    def _find_blocks(self, node: ast.AST) -> Iterator[Block]:
        current: ast.AST = node
        for outer in self.ancestors(node):
            inside = current in self._parts
            # What a `with` binds is bound after it too.
            if inside and not isinstance(outer, ast.With | ast.AsyncWith):
                yield id(outer), self._parts[current]
            if isinstance(outer, ScopeNode):
                return
            current = outer


def _in_loops(
    ordered: list[Binding], count: int, loops: list[tuple[int, int]]
) -> list[Binding]:
    """Return those of the first `count` that the next round of a loop sees."""
    if not loops:
        return []
    found = (
        each
        for each in islice(ordered, count)
        if any(first <= each.ready[0] <= last for first, last in loops)
    )
    return list(islice(found, BINDINGS))


def last_word(expression: ast.expr) -> str:
    """`c` of `a.b.c`, `a` of `a`, nothing of anything else."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def start(node: ast.AST) -> Position:
    """Return where a node begins."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def end(node: ast.AST) -> Position:
    """Return where a node ends."""
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


def arguments_of(function: Function) -> list[ast.arg]:
    """Return all named parameters in order, and those that collect the rest."""
    named = function.args
    rest = [each for each in (named.vararg, named.kwarg) if each is not None]
    return [*named.posonlyargs, *named.args, *named.kwonlyargs, *rest]


def _exclusive(one: frozenset[Block], other: frozenset[Block]) -> bool:
    """Whether two places are in different branches of the same `if`."""
    branches = dict(one)
    return any(
        {part, branches.get(statement)} == {"body", "orelse"}
        for statement, part in other
    )


def _bind(node: ast.AST, scope: Scope) -> None:
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
            _bind_item(node.target, node.iter, end(node.iter), node.target, scope)
        case ast.comprehension():
            # Its variable is used to its left: [f(x) for x in xs].
            _bind_item(node.target, node.iter, (0, 0), node.target, scope)
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


def _bind_item(
    target: ast.expr, value: ast.expr, ready: Position, place: ast.AST, scope: Scope
) -> None:
    """Bind every name in a target to some part of the value."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
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
