"""The scopes of a syntax tree, and the bindings that a use of a name sees.

One walk over the tree gives every node its parent and its scope, and every scope its
bindings. Flow is followed roughly but soundly enough for a linter: in straight code
the last binding before a use counts, branches and loops add theirs.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections import defaultdict
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar, cast

from .bindings import ANYWHERE, BINDING, Binding, Kind, Scope, bind
from .limits import BINDINGS
from .nodes import (
    LEAVES,
    PARTS,
    Function,
    Position,
    ScopeNode,
    arguments_of,
    option_asked,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# The block a statement is in: the id of the statement around it, or the option that
# this asks for, and which part.
Block = tuple[int | str, str]
Node = TypeVar("Node", bound=ast.AST)
# Those that hold statements.
_BLOCKS = frozenset(("body", "orelse", "finalbody", "handlers"))
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Scopes:
    """Parents, scopes and bindings of one syntax tree.

    Attributes:
        parents: the node around each.
        top: the scope of the module.
    """

    def __init__(self, tree: ast.Module):
        self._by_kind: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self.parents: dict[ast.AST, ast.AST] = {}
        self._scopes: dict[ast.AST, Scope] = {}
        self._parts: dict[ast.AST, str] = {}
        self._blocks_around: dict[ast.AST, frozenset[Block]] = {}
        self._ordered: dict[
            tuple[Scope, str], tuple[list[Position], list[Binding]]
        ] = {}
        self._parted_bindings: dict[
            tuple[Scope, str], tuple[list[Binding], dict[ast.AST, list[Binding]]]
        ] = {}
        self.top = Scope(tree, None)
        self._walk(tree)

    def _walk(self, tree: ast.Module) -> None:
        # It sees every node of every file, hence the local names and no function calls.
        pending: list[tuple[ast.AST, Scope]] = [(tree, self.top)]
        by_kind, scopes, parents, parts = (
            self._by_kind,
            self._scopes,
            self.parents,
            self._parts,
        )
        # More than half of the nodes hold no others, and need not wait for their turn.
        leaves = {kind: by_kind[kind] for kind in LEAVES}
        while pending:
            node, scope = pending.pop()
            scopes[node] = scope
            kind = type(node)
            by_kind[kind].append(node)
            inner = self._enter(node, scope) if kind in BINDING else scope
            for name in PARTS[kind]:
                value = getattr(node, name, None)
                if not value:
                    continue
                # Decorators, bases and defaults are evaluated outside the body.
                outside = inner is scope or name in ("decorator_list", "bases")
                where = scope if outside else inner
                if kind is ast.arguments and name in ("defaults", "kw_defaults"):
                    where = scope.parent or scope
                is_list = type(value) is list
                for child in reversed(value) if is_list else (value,):
                    leaf = leaves.get(type(child))
                    if leaf is not None:
                        leaf.append(child)
                        scopes[child] = where
                        parents[child] = node
                    elif isinstance(child, ast.AST):
                        parents[child] = node
                        pending.append((child, where))
                if name in _BLOCKS and is_list:
                    parts.update(dict.fromkeys(value, name))

    def _enter(self, node: ast.AST, scope: Scope) -> Scope:
        bind(node, scope)
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

    def of(self, *kinds: type[Node]) -> list[Node]:
        """The nodes of these types, one type after the other."""
        found = (self._by_kind.get(kind, []) for kind in kinds)
        return cast("list[Node]", list(chain.from_iterable(found)))

    def scope_of(self, node: ast.AST) -> Scope:
        """The scope that the node is evaluated in."""
        return self._scopes[self._written(node)]

    def holds(self, node: ast.AST) -> bool:
        """Whether the node is written in the module, not made from what is."""
        return node in self._scopes

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around it, from the inside out."""
        current = self.parents.get(self._written(node))
        while current is not None:
            yield current
            current = self.parents.get(current)

    def _written(self, node: ast.AST) -> ast.AST:
        """The node, or what stands in the text for what is made of it.

        That is a part that is unpacked of it, or a call of it.
        """
        while node not in self._scopes and isinstance(node, ast.Subscript | ast.Call):
            node = node.func if isinstance(node, ast.Call) else node.value
        return node

    def loop_of(self, name: ast.Name) -> ast.For | ast.AsyncFor | None:
        """The loop around a name that sets it; None if there is none."""
        for ancestor in self.ancestors(name):
            if isinstance(ancestor, ast.For | ast.AsyncFor) and any(
                isinstance(node, ast.Name) and node.id == name.id
                for node in ast.walk(ancestor.target)
            ):
                return ancestor
        return None

    def names_around(self, node: ast.AST) -> list[str]:
        """The names of the functions and classes around it, from the inside out."""
        named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        return [
            ancestor.name
            for ancestor in self.ancestors(node)
            if isinstance(ancestor, named)
        ]

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
                bound = scope.bindings[name.id]
                found = self._visible(scope, name)
                if found or not bound:
                    if scope is home:
                        return scope, self._reaching(scope, name, found)
                    return scope, scope.lasting(found)
            scope = scope.parent
        return None

    def _visible(self, scope: Scope, use: ast.Name) -> list[Binding]:
        """Those of the comprehension around a use; if none is, those of no other."""
        plain, in_comprehensions = self._parted(scope, use.id)
        for outer in self.ancestors(use) if in_comprehensions else ():
            if outer in in_comprehensions:
                return in_comprehensions[outer]
        return plain

    def _parted(
        self, scope: Scope, name: str
    ) -> tuple[list[Binding], dict[ast.AST, list[Binding]]]:
        """The bindings of a name outside of comprehensions, and inside of each."""
        if (scope, name) not in self._parted_bindings:
            inside: dict[ast.AST, list[Binding]] = defaultdict(list)
            plain = []
            for binding in scope.bindings[name]:
                if binding.ready is ANYWHERE:
                    inside[self._comprehension_of(binding)].append(binding)
                else:
                    plain.append(binding)
            self._parted_bindings[scope, name] = plain, inside
        return self._parted_bindings[scope, name]

    def _comprehension_of(self, binding: Binding) -> ast.AST:
        place = binding.place
        while not isinstance(place, _COMPREHENSIONS):
            place = self.parents[place]
        return place

    def precedes(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether what runs the second has run the first, as far as blocks show."""
        return self._blocks(first) <= self._blocks(second)

    def may_precede(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether both can run in one go: not in two branches of the same `if`."""
        return not _exclusive(self._blocks(first), self._blocks(second))

    def _reaching(
        self, scope: Scope, use: ast.Name, bindings: list[Binding]
    ) -> list[Binding]:
        """Those of the bindings that a use in their scope may see, the last first."""
        if len(bindings) < 2 or bindings[0].ready is ANYWHERE:
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
                loops = [loop for loop in loops if not loop[0] <= line <= loop[1]]
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
            bindings, _ = self._parted(scope, name)
            ordered = sorted(bindings, key=lambda binding: binding.ready, reverse=True)
            places = [(-binding.ready[0], -binding.ready[1]) for binding in ordered]
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
                option = option_asked(outer)
                if option is not None:
                    yield option, self._parts[current]
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
        binding
        for binding in islice(ordered, count)
        if any(first <= binding.ready[0] <= last for first, last in loops)
    )
    return list(islice(found, BINDINGS))


def _exclusive(one: frozenset[Block], other: frozenset[Block]) -> bool:
    """Whether two places are in different branches of the same `if`, or its like."""
    branches = dict(one)
    return any(
        {part, branches.get(statement)} == {"body", "orelse"}
        for statement, part in other
    )
