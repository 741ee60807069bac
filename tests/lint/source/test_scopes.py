"""Bindings that a use of a name sees, against what Python does with the same code."""

from __future__ import annotations

import ast

import pytest

from lint.subjects.source.reading.bindings import Kind
from lint.subjects.source.reading.nodes import arguments_of, last_word, nodes_in
from lint.subjects.source.reading.scopes import Scopes


def scopes_of(code: str) -> Scopes:
    return Scopes(ast.parse(code))


def uses(scopes: Scopes, name: str) -> list[ast.Name]:
    """The places where the name is read, in the order of the text."""
    found = scopes.of(ast.Name)
    return [
        candidate
        for candidate in found
        if candidate.id == name and isinstance(candidate.ctx, ast.Load)
    ]


def lines_seen(code: str, name: str = "x") -> list[int]:
    """The lines of the bindings that the last use of the name sees."""
    scopes = scopes_of(code)
    found = scopes.lookup(uses(scopes, name)[-1])
    return [] if found is None else sorted(binding.place.lineno for binding in found[1])


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("x = 1\nx = 2\nprint(x)", [2]),
        ("def f():\n    global x\n    print(x)", []),
        ("from a import x\ndef x(): pass\ndef f():\n    print(x)", [2]),
        ("from a import x\nif b:\n    def x(): pass\ndef f():\n    print(x)", [1, 3]),
        ("def x(): pass\nfrom a import x\ndef f():\n    print(x)", [1, 2]),
        ("x = 1\nprint(x)\nx = 2", [1]),
        ("x = 1\nif a:\n    x = 2\nprint(x)", [1, 3]),
        ("if a:\n    x = 1\nelse:\n    x = 2\nprint(x)", [2, 4]),
        ("if a:\n    x = 1\nelse:\n    x = 2\n    print(x)", [4]),
        ("if a:\n    x = 1\nelse:\n    print(x)\nx = 3", [2, 5]),
        # Another `if` that asks the same option answers alike, one of a name may not.
        *(
            (f"if {a}:\n    x = 1\nelse:\n    x = 2\nif {b}:\n    print(x)", lines)
            for a, b, lines in (
                ("a.b == 'x'", "a.b == 'x'", [2]),
                ("a.b == 'x'", "a.b == 'y'", [2, 4]),
                ("self.b == 'x'", "self.b == 'x'", [2, 4]),
                ("b == 'x'", "b == 'x'", [2, 4]),
            )
        ),
        ("x = 0\nfor i in a:\n    print(x)\n    x = 1", [1, 4]),
        ("x = 0\nwhile a:\n    x = 1\n    print(x)", [3]),
        ("x = 0\nwith a as x:\n    pass\nprint(x)", [2]),
        ("x = 1\ndef f():\n    return x\nx = 2", [1, 4]),
        ("x = 1\ndef f(x):\n    return x", [2]),
        ("x = 1\ndef f(a=x):\n    x = 2", [1]),
        ("x = 1\ndef f(*, a=x):\n    x = 2", [1]),
        ("x = 1\nf = lambda x=x: 0", [1]),
        ("x = 1\nclass A:\n    x = 2\n    def f(self):\n        return x", [1]),
        ("x = 1\nclass A:\n    x = 2\n    y = x", [3]),
        ("x = 1\ndef f():\n    global x\n    x = 2\nprint(x)", [1, 4]),
        ("print([x for x in a])", [1]),
        ("[x for x in a]\nprint([x for x in b])", [2]),
        ("x = 1\n[x for x in a]\nprint(x)", [1]),
        ("x = 1\nprint([x for y in a])", [1]),
        ("x = 1\nprint({x: 1\n       for x in a})", [3]),
        ("print([[x for x in b]\n       for x in a])", [1]),
        ("def f():\n    [x for x in a]\n    return x\nx = 1", [4]),
        ("[x for x in a]\nx = 2\nf = [lambda: x for x in b]", [3]),
        ("a, (x, *b) = c\nprint(x)", [1]),
        ("try:\n    pass\nexcept E as x:\n    print(x)", [3]),
        ("print(x)", []),
    ],
)
def test_bindings_that_a_use_sees(code: str, lines: list[int]) -> None:
    assert lines_seen(code) == lines


@pytest.mark.parametrize(
    ("code", "name", "dotted"),
    [
        ("import a.b\na", "a", "a"),
        ("import a.b as c\nc", "c", "a.b"),
        ("from a.b import c as d\nd", "d", "a.b.c"),
        ("from . import c\nc", "c", ".c"),
        ("from ..a import c\nc", "c", "..a.c"),
    ],
)
def test_imports_keep_the_name_they_import(code: str, name: str, dotted: str) -> None:
    scopes = scopes_of(code)
    found = scopes.lookup(uses(scopes, name)[-1])
    assert found is not None
    assert [(candidate.kind, candidate.dotted) for candidate in found[1]] == [
        (Kind.IMPORT, dotted)
    ]


def test_star_imports_are_listed() -> None:
    assert scopes_of("from a import *\nfrom .b import *").top.stars == ["a.", ".b."]


def test_items_of_a_pair_are_bound_one_by_one() -> None:
    scopes = scopes_of("a, b = 1, f()\nc, d = g()\n(b, d)")
    (one,) = scopes.top.bindings["b"]
    (other,) = scopes.top.bindings["d"]
    assert (one.kind, ast.unparse(one.node)) == (Kind.VALUE, "f()")
    assert (other.kind, other.index) == (Kind.ITEM, 1)


def test_order_in_branches() -> None:
    scopes = scopes_of("a()\nif x:\n    b()\nelse:\n    c()\nd()")
    a, b, c, d = sorted(scopes.of(ast.Call), key=lambda call: call.lineno)
    assert scopes.precedes(a, d)
    assert scopes.precedes(a, b)
    assert not scopes.precedes(b, d)  # it may be left out
    assert scopes.may_precede(b, d)
    assert not scopes.may_precede(b, c)


def test_names_around_a_node() -> None:
    scopes = scopes_of("class A:\n    def f(self):\n        return lambda: x")
    (use,) = uses(scopes, "x")
    assert scopes.names_around(use) == ["f", "A"]
    assert isinstance(scopes.enclosing_function(use), ast.Lambda)
    assert scopes.enclosing_class(use) is scopes.of(ast.ClassDef)[0]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("for b in a:\n    b(x)", 1),
        ("for c in a:\n    for b in c:\n        b(x)", 2),
        ("for b in a:\n    for c in b:\n        b(x)", 1),
        ("for i, (b, c) in a:\n    b(x)", 1),
        ("for block in a:\n    b(x)", None),  # Part of a name is not the name.
        ("for block in a:\n    pass\nb(x)", None),
    ],
)
def test_loop_of_a_name(code: str, line: int | None) -> None:
    scopes = scopes_of(code)
    loop = scopes.loop_of(uses(scopes, "b")[-1])
    assert (None if loop is None else loop.lineno) == line


def test_walk_is_that_of_the_standard_library() -> None:
    """All nodes in its order, but for operators and contexts."""
    tree = ast.parse(
        "@d\nclass A(B, m=c):\n    x: int = -1\n    async def f(self, *a, b=2, **k):\n"
        "        async with g() as h:\n            return [i + 1 for i in a if not i]\n"
        "def m(v):\n    match v:\n        case {'k': [1, *r], **o} if r:\n"
        "            del r[0]\n        case P(q=1) | None:\n"
        "            yield f'{v!r:>{3}}'\n"
    )
    left_out = ast.expr_context | ast.operator | ast.unaryop | ast.cmpop | ast.boolop
    expected = [node for node in ast.walk(tree) if not isinstance(node, left_out)]
    assert list(nodes_in(tree)) == expected
    scopes = Scopes(tree)
    assert set(scopes.parents) == set(expected) - {tree}
    for kind in {type(node) for node in expected}:
        assert set(scopes.of(kind)) == {one for one in expected if type(one) is kind}


def test_arguments_and_last_words() -> None:
    (function,) = scopes_of("def f(a, /, b, *c, d, **e): pass").of(ast.FunctionDef)
    assert [argument.arg for argument in arguments_of(function)] == [
        "a",
        "b",
        "d",
        "c",
        "e",
    ]
    words = [
        last_word(ast.parse(each, mode="eval").body) for each in ("a.b", "a", "a()")
    ]
    assert words == ["b", "a", ""]
