"""Values that expressions are seen to have: all that they may have when run."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import Class, Project, module_from_bytes
from lint.subjects.source.reading.values import (
    Items,
    Known,
    Literal,
    Parameter,
    Result,
    Routine,
)
from lint.subjects.source.resolving.instances import attribute_given
from lint.subjects.source.resolving.lineage import lineage, method_of
from lint.subjects.source.resolving.local_calls import calls_of
from lint.subjects.source.resolving.resolve import values

if TYPE_CHECKING:
    from pathlib import Path

    from lint.subjects.source import Module
    from lint.subjects.source.reading.values import Value


def module_of(code: str, root: Path) -> Module:
    return module_from_bytes(code.encode(), root / "main.py", Project(root))


def values_of_last(code: str, root: Path) -> tuple[Value, ...]:
    """The values of the expression in the last line."""
    module = module_of(code, root)
    last = module.tree.body[-1]
    assert isinstance(last, ast.Expr)
    return values(module, last.value)


@pytest.mark.parametrize(
    ("code", "constants"),
    [
        ("0.9", {0.9}),
        ("-1", {-1}),
        ("1 - 0.9", {0.1}),
        ("1 / 4", {0.25}),
        ("x = 1\nx", {1}),
        ("x = 1\nif a:\n    x = 2\nx", {1, 2}),
        ("1 if a else 2", {1, 2}),
        ("None or 2", {None, 2}),
        ("(x := 3)", {3}),
        ("a, b = 1, 2\nb", {2}),
        ("for x in [1, 2]:\n    pass\nx", {1, 2}),
        ("x = [1, 2, 3]\nx[1]", {2}),
        ("x = {'a': 1, 'b': 2}\nx['b']", {2}),
        ("x = dict(a=1)\nx['a']", {1}),
        ("x = {'a': 1}\nx.get('b', 5)", {5}),
        ("x = {'a': 1}\nx.get('a', 5)", {1}),
        ("def f():\n    return 1\nf()", {1}),
        ("def f(a):\n    return a\nf(4)", {4}),
        ("def f(a=7):\n    return a\nf()", {7}),
        ("def f(a=7):\n    return a\nf(8)", {8}),
        ("f = lambda: 1\nf", set()),  # a function, not its result
        ("class A:\n    x = 1\nA.x", {1}),
        ("class A:\n    def __init__(self):\n        self.x = 1\nA().x", {1}),
        ("class A:\n    @property\n    def x(self):\n        return 1\nA().x", {1}),
        ("class A:\n    x = 1\nclass B(A):\n    pass\nB().x", {1}),
        ("class A:\n    x = 1\nclass B(A):\n    x = 2\ngetattr(B(), 'x')", {1, 2}),
        ("from functools import partial\nf = partial(lambda: 3)\nf()", {3}),
        ("x", set()),
        ("x = x\nx", set()),  # a cycle ends
        ("def f():\n    return f()\nf()", set()),
    ],
)
def test_constants(code: str, constants: set[object], tmp_path: Path) -> None:
    found = values_of_last(code, tmp_path)
    assert {value.value for value in found if isinstance(value, Literal)} == constants


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import keras\nkeras.layers.Dense", "keras.layers.Dense"),
        ("import tensorflow as tf\ntf.keras.layers.Dense", "keras.layers.Dense"),
        ("from keras import layers as l\nl.Dense", "keras.layers.Dense"),
        ("from tensorflow.keras.layers import *\nDense", "keras.layers.Dense"),
        ("import numpy as np\nnp.mean", "numpy.mean"),
        ("len", "len"),
        ("import jax\njax.jit(len)", "len"),
    ],
)
def test_names_from_outside(code: str, name: str, tmp_path: Path) -> None:
    assert values_of_last(code, tmp_path) == (Known(name),)


def test_instances_know_their_maker(tmp_path: Path) -> None:
    code = "import keras\nclass A(keras.Model):\n    pass\n"
    (own,) = values_of_last(f"{code}A(1)", tmp_path)
    (known,) = values_of_last(f"{code}keras.layers.Dense(1)", tmp_path)
    assert isinstance(own, Result)
    assert isinstance(own.maker, Class)
    assert own.maker.node.name == "A"
    assert isinstance(known, Result)
    assert known.maker == Known("keras.layers.Dense")


def test_parameters_without_callers_stay_open(tmp_path: Path) -> None:
    module = module_of("def f(a):\n    a\n", tmp_path)
    (use,) = [node for node in module.scopes.of(ast.Name) if node.id == "a"]
    (function,) = module.scopes.of(ast.FunctionDef)
    assert values(module, use) == (Parameter(module, function, "a"),)


def test_collections_stand_for_themselves(tmp_path: Path) -> None:
    (found,) = values_of_last("[1, 2]", tmp_path)
    assert isinstance(found, Items)


def test_other_files_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import x\ndef f():\n    return x\n")
    (tmp_path / "b.py").write_text("x = 6\n")
    (found,) = values_of_last("import a\na.f()", tmp_path)
    assert isinstance(found, Literal)
    assert (found.value, found.module.path.name) == (6, "b.py")


def test_lineage_and_methods(tmp_path: Path) -> None:
    code = (
        "import keras\nclass A(keras.Model):\n    def f(self): pass\n"
        "class B(A):\n    def g(self): pass\n"
    )
    module = module_of(code, tmp_path)
    a, b = module.classes
    of_b = Class(module, b)
    assert lineage(of_b) == (of_b, Class(module, a), Known("keras.Model"))
    found = method_of(of_b, "f")
    assert isinstance(found, Routine)
    assert found.owner == of_b
    assert module.owner_of(found.node) is a
    assert method_of(of_b, "h") is None


@pytest.mark.parametrize(
    ("code", "skipped"),
    [
        ("def f(a): pass\nf(1)", [0]),
        ("class A:\n    def f(self): pass\nA().f()", [1]),
        ("class A:\n    def __init__(self): pass\nA()", [1]),
        ("def f(a): pass\ndef g(step):\n    step(1)\ng(f)", [0]),
        ("def f(a): pass\nstrategy.run(f, args=(1,))", [0]),
        ("def f(a): pass\n", []),
    ],
)
def test_calls_of_functions(code: str, skipped: list[int], tmp_path: Path) -> None:
    module = module_of(code, tmp_path)
    function = module.scopes.of(ast.FunctionDef)[0]
    assert [call for _, call in calls_of(module, function)] == skipped


def test_what_is_unpacked_to_an_attribute_is_where_the_call_is(tmp_path: Path) -> None:
    """It is no node of the text, and is asked about like one."""
    code = "class A:\n    def __init__(self):\n        self.a, self.b = f()\n"
    module = module_of(code, tmp_path)
    (found,) = attribute_given(Class(module, module.classes[0]), "b")
    assert ast.unparse(found[1]) == "f()[1]"
    assert module.scopes.scope_of(found[1]).node in module.scopes.of(ast.FunctionDef)
    (statement,) = module.scopes.of(ast.Assign)
    assert next(module.scopes.ancestors(found[1])) is statement
