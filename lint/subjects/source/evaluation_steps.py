"""Evaluation steps that run a network with BN as in training."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from .. import names
from .classes import keyword
from .contents import holds
from .values import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_STEP = re.compile(
    r"(^|_)(test|eval|evaluation|val|valid|validation)_(step|batch|epoch)(_fn)?$"
)
# What samples from the network means the flag, and so may a condition before it.
_SAMPLES = re.compile(r"mc_?drop|monte.?carlo|bayes", re.IGNORECASE)
_ASKS = re.compile(r"train|infer|phase|mode(?!l)|dropout|sampl", re.IGNORECASE)
_TESTS = re.compile(r"^(test_|Test[A-Z])|(_test|Tests?|TestCase)$")
_Repeated = ast.For | ast.While | ast.ListComp | ast.GeneratorExp


def trained_in_evaluation(module: Module) -> Iterator[ast.expr]:
    """The flag of every call with `training=True` in such a step."""
    for call in module.calls:
        match keyword(call, "training"):
            case ast.Constant(value=True) as flag:
                step = _evaluation_step(module, call)
                if step is None or _is_meant(module, step):
                    continue
                if names.BATCH_NORM in holds(module, call.func):
                    yield flag


def _evaluation_step(module: Module, call: ast.Call) -> ast.FunctionDef | None:
    """The step that evaluates, if the call runs in one, once and under no tape."""
    for outer in module.scopes.ancestors(call):
        match outer:
            case ast.FunctionDef(name=name) if _STEP.search(name):
                return outer if parameters(outer) - {"self"} else None
            case ast.If(test=test) | ast.IfExp(test=test):
                if _ASKS.search(ast.unparse(test)):
                    return None
            case ast.With(items=items):
                if any("GradientTape" in ast.unparse(each) for each in items):
                    return None
            case _ if isinstance(outer, ast.Lambda | ast.ClassDef | _Repeated):
                return None
    return None


def _is_meant(module: Module, step: ast.FunctionDef) -> bool:
    """Whether names say that it samples from the network, or that it tests a step."""
    around = [getattr(each, "name", "") for each in module.scopes.ancestors(step)]
    around.append(module.path.stem)
    return any(_SAMPLES.search(each) for each in (step.name, *around)) or any(
        _TESTS.search(each) for each in around
    )
