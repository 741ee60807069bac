"""The edits that fixes are made of keep the layout of what they change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lint.fixing.documents import read_document
from lint.subjects.source import Project, module_from_bytes
from lint.subjects.source.reading.edits import (
    replaced,
    with_argument,
    with_parameter,
    without_argument,
)


def edited(text: str, make) -> str | None:
    """The text with the fix that `make` finds for its first call or function."""
    data = text.encode()
    module = module_from_bytes(data, Path("a.py"), Project(Path("none")))
    fix = make(module)
    if fix is None:
        return None
    result = read_document(data, is_notebook=False).with_edits(fix.edits).decode()
    ast.parse(result)
    return result


def first(module, kind):
    return next(node for node in ast.walk(module.tree) if isinstance(node, kind))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def call(self, x):", "def call(self, x, training=None):"),
        ("def call(self, x,):", "def call(self, x, training=None):"),
        ("def call(self, x=(1, 2)):", "def call(self, x=(1, 2), training=None):"),
        ("def call(s, x: 'A[1]') -> B:", "def call(s, x: 'A[1]', training=None) -> B:"),
        ("def call(self, *x):", "def call(self, *x, training=None):"),
        ("def call(self, x, *, y):", "def call(self, x, *, y, training=None):"),
        ("def call(self, x, /):", "def call(self, x, /, training=None):"),
        ("def call(self, x, **kw):", "def call(self, x, training=None, **kw):"),
        ("def call(self, *a, **kw):", "def call(self, *a, training=None, **kw):"),
        ("def call(s, x=2**3, **kw):", "def call(s, x=2**3, training=None, **kw):"),
        ("def call(**kw):", "def call(training=None, **kw):"),
        ("async def call ( self, x ) :", "async def call ( self, x, training=None ) :"),
        ("@f(1)\ndef call(self, x):", "@f(1)\ndef call(self, x, training=None):"),
        ("def call(\n  s,\n  x,\n):", "def call(\n  s,\n  x,\n  training=None,\n):"),
        ("def call(\n  self, x\n):", "def call(\n  self, x, training=None\n):"),
        ("def call(\n  s,\n  x, y,\n):", "def call(\n  s,\n  x, y, training=None,\n):"),
        ("def call(self,\n         x):", "def call(self,\n         x, training=None):"),
        (
            "def call(\n  self,\n  x,  # one\n  # two\n):",
            "def call(\n  self,\n  x,  # one\n  # two\n  training=None,\n):",
        ),
        (
            "def call(\n  self,\n  x  # one\n):",
            "def call(\n  self,\n  x,  # one\n  training=None\n):",
        ),
        (
            "def call(\n\tself,\n\tx,\n\t**kw,\n):",
            "def call(\n\tself,\n\tx,\n\ttraining=None,\n\t**kw,\n):",
        ),
        ("def call(\r\n  x,\r\n):", "def call(\r\n  x,\r\n  training=None,\r\n):"),
        ("def call(self, 名):", "def call(self, 名, training=None):"),
    ],
)  # fmt: skip
def test_a_parameter_is_added(before, after):
    def make(module):
        function = first(module, ast.FunctionDef | ast.AsyncFunctionDef)
        return with_parameter(module, function, "training=None")

    assert edited(before + " pass", make) == after + " pass"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(x)", "f(x, training=True)"),
        ("f()", "f(training=True)"),
        ("f( x )", "f( x, training=True )"),
        ("f(x, )", "f(x, training=True )"),
        ("f(g(x))", "f(g(x), training=True)"),
        ("f(x)(y)", "f(x)(y, training=True)"),
        ("f(*x, **y)", "f(*x, **y, training=True)"),
        ("f('名', x)", "f('名', x, training=True)"),
        ("y = f(x) + g(z)  # f(x)", "y = f(x, training=True) + g(z)  # f(x)"),
        (
            "f(\n    x,\n    g(\n        y\n    ),\n)",
            "f(\n    x,\n    g(\n        y\n    ),\n    training=True,\n)",
        ),
        ("f(x\n)", "f(x, training=True\n)"),
        ("f(x,  # one\n)", "f(x, training=True,  # one\n)"),
        ("f([\n  1,\n])", "f([\n  1,\n], training=True)"),
        ("f(x for x in y)", None),
        ("f((x for x in y), 1)", "f((x for x in y), 1, training=True)"),
    ],
)
def test_an_argument_is_added(before, after):
    def make(module):
        return with_argument(module, first(module, ast.Call), "training=True")

    assert edited(before, make) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(x, t=1)", "f(x)"),
        ("f(x, t=1, y=2)", "f(x, y=2)"),
        ("f(t=1, y=2)", "f(y=2)"),
        ("f(t=1)", "f()"),
        ("f(x, t=1,)", "f(x,)"),
        ("f(x, t=(1, 2))", "f(x)"),
        ("f(\n    x,\n    t=1,\n)", "f(\n    x,\n)"),
        ("f(\n    x,\n    t=1\n)", "f(\n    x\n)"),
        ("f(\n    x,  # one\n    t=1,\n    y=2,\n)", "f(\n    x,  # one\n    y=2,\n)"),
        ("f(x,\n  t=1)", "f(x)"),
        ("f(x,\n  t=1, y=2)", "f(x, y=2)"),
        ("f(x, t=1  # one\n  )", "f(x  # one\n  )"),
        ("f(x, t=[  # why\n  1])", None),
    ],
)
def test_an_argument_is_taken_out(before, after):
    def make(module):
        call = first(module, ast.Call)
        keyword = next(argument for argument in call.keywords if argument.arg == "t")
        return without_argument(module, call, keyword)

    assert edited(before, make) == after


@pytest.mark.parametrize(
    ("before", "after"), [("f(x, True)", "f(x)"), ("f(x, True, y=1)", "f(x, y=1)")]
)
def test_a_positional_argument_is_taken_out_at_the_end(before, after):
    def make(module):
        call = first(module, ast.Call)
        return without_argument(module, call, call.args[1])

    assert edited(before, make) == after


def test_a_positional_argument_before_others_stays():
    def make(module):
        call = first(module, ast.Call)
        return without_argument(module, call, call.args[0])

    assert edited("f(x, y)", make) is None


def test_an_expression_is_replaced():
    def make(module):
        return replaced(module, first(module, ast.Constant), "0.9")

    assert edited("名 = f(m=0.1)  # 0.1\n", make) == "名 = f(m=0.9)  # 0.1\n"
