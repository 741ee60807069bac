"""Evaluation steps that run a network with BN as in training."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from . import hints
from .classes import keyword
from .contents import holds
from .saying import FLAG, says
from .values import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_Repeated = ast.For | ast.While | ast.ListComp | ast.GeneratorExp


def trained_in_evaluation(module: Module) -> Iterator[ast.expr]:
    """The flag of every call with `training=True` in such a step."""
    for call in module.calls:
        flag = keyword(call, FLAG)
        if flag is None or not says(module, call).is_constant(True):
            continue
        step = _evaluation_step(module, call)
        if step is None or _is_meant(module, step):
            continue
        if names.BATCH_NORM in holds(module, call.func):
            yield flag


def _evaluation_step(module: Module, call: ast.Call) -> ast.FunctionDef | None:
    """The step that evaluates, if the call runs in one, once and under no tape."""
    for outer in module.scopes.ancestors(call):
        match outer:
            case ast.FunctionDef(name=name) if hints.is_evaluation_step(name):
                return outer if parameters(outer) - {"self"} else None
            case ast.If(test=test) | ast.IfExp(test=test):
                asked = ast.unparse(test)
                if hints.speaks_of_phase(asked) or hints.is_meant_random(asked):
                    return None
            case ast.With(items=items):
                if any("GradientTape" in ast.unparse(each) for each in items):
                    return None
            case _ if isinstance(outer, ast.Lambda | ast.ClassDef | _Repeated):
                return None
    return None


def _is_meant(module: Module, step: ast.FunctionDef) -> bool:
    """Whether names say that it samples from the network, or that it tests a step."""
    around = module.scopes.names_around(step)
    around.append(module.path.stem)
    return any(map(hints.is_meant_random, (step.name, *around))) or any(
        map(hints.is_test, around)
    )
