"""Nodes of a syntax tree: what they are, where they are, and what they hold."""

from __future__ import annotations

import ast
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Position = tuple[int, int]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ScopeNode = ast.Module | ast.ClassDef | Function

# Fields without nodes, or with nodes that are never needed: operators and contexts.
_PLAIN = frozenset(
    (
        *("ctx", "op", "ops", "id", "attr", "module", "level", "asname"),
        *("type_comment", "type_ignores", "simple", "conversion", "is_async", "kind"),
    )
)


# Types of nodes that hold no others.
LEAVES = frozenset((ast.Name, ast.Constant))


class _Parts(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each type of node that hold others, last first."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        names = () if kind in LEAVES else kind._fields[::-1]
        self[kind] = found = tuple(name for name in names if name not in _PLAIN)
        return found


PARTS = _Parts()


def nodes_in(tree: ast.AST) -> Iterator[ast.AST]:
    """Return what `ast.walk` does but for operators and contexts, in half the time."""
    pending = deque((tree,))
    while pending:
        node = pending.popleft()
        for name in reversed(PARTS[type(node)]):
            value = getattr(node, name, None)
            if isinstance(value, list):
                pending.extend(
                    expression
                    for expression in value
                    if isinstance(expression, ast.AST)
                )
            elif isinstance(value, ast.AST):
                pending.append(value)
        yield node


def last_word(expression: ast.expr) -> str:
    """`c` of `a.b.c`, `a` of `a`, nothing of anything else."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def option_asked(node: ast.AST) -> str | None:
    """`args.net == "a"` of an `if`, as written: it is answered alike all over a file.

    What `self` holds is not asked for: that may change between two questions.
    """
    match node:
        case ast.If(
            test=ast.Compare(
                left=ast.Attribute(value=ast.Name(id=holder)),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value=str())],
            ) as test
        ) if holder != "self":
            return ast.unparse(test)
    return None


def moved(call: ast.Call) -> ast.expr | None:
    """`net` of `net.to(device)` and the like, which PyTorch's modules return."""
    match call.func:
        case ast.Attribute(value=base, attr="to" | "cuda" | "cpu"):
            return base
    return None


def start(node: ast.AST) -> Position:
    """Return where a node begins."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def end(node: ast.AST) -> Position:
    """Return where a node ends."""
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


def extent(node: ast.AST) -> tuple[Position, Position]:
    """Return where a node begins and ends: `f(x)` begins where `f(x).g()` does."""
    return start(node), end(node)


def arguments_of(function: Function) -> list[ast.arg]:
    """Return all named parameters in order, and those that collect the rest."""
    named = function.args
    rest = [
        argument for argument in (named.vararg, named.kwarg) if argument is not None
    ]
    return [*named.posonlyargs, *named.args, *named.kwonlyargs, *rest]
