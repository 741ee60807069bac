"""Flags of a constructor that builds a graph, which keeps them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.values import Class, default_of, parameters
from ..resolving.classes import calls_in, is_functional, keras_kind
from ..resolving.members import members
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_HANDED_ON = re.compile(r"training\s*=\s*(is_)?train\w*\b")


def graph_flags(module: Module) -> Iterator[ast.keyword]:
    """Yield the first flag that a model's `__init__` hands into its own graph."""
    if not module.matches(_HANDED_ON) or not module.mentions("super"):
        return
    for node in module.classes:
        constructor = members(module, node).methods.get("__init__")
        if constructor is None or not any(
            map(hints.is_training_flag, parameters(constructor))
        ):
            continue
        cls = Class(module, node)
        if keras_kind(cls) is None or not is_functional(cls):
            continue
        flag = next(_handed_on(module, constructor), None)
        if flag is not None:
            yield flag


def _handed_on(module: Module, constructor: ast.AST) -> Iterator[ast.keyword]:
    assert isinstance(constructor, ast.FunctionDef | ast.AsyncFunctionDef)
    for call in calls_in(module, constructor):
        for keyword in call.keywords:
            if (
                keyword.arg == FLAG
                and isinstance(keyword.value, ast.Name)
                and keyword.value.id in parameters(constructor)
                and default_of(constructor, keyword.value.id) is not None
            ):
                yield keyword
