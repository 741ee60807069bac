"""Training ops for losses that are handed in, in a project that runs no updates."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.memo import found_once
from ..reading.text import without_comments
from ..reading.values import Parameter, parameters
from ..resolving.resolve import values
from .graph_mode import training_ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# BN of TensorFlow 1 whose phase is no constant.
_BUILDS = re.compile(
    r"(?:tf|layers|slim)\.(?:batch_normalization|batch_norm)\((?:[^()]|\([^()]*\)){0,400}"
    r"\b(?:is_)?training\s*=\s*(?!True\b|False\b)\w"
)
# What runs their updates, or may.
_RUNS = re.compile(
    r"UPDATE_OPS|updates_collections|create_train_op|optimize_loss|get_updates_for"
    r"|make_train_op|\.updates\b|update_ops"
)
_LOSS = re.compile(r"loss|cost|objective|energy", re.IGNORECASE)


@found_once
def updates_out_of_sight(module: Module) -> Iterator[ast.Call]:
    """Yield each training op that a function makes for a loss that it is given.

    Only where some file of the project builds BN and none runs its updates.
    """
    ops = [op for op in training_ops(module) if _is_for_any_loss(module, op)]
    texts = module.project.texts.by_path.values() if ops else ()
    if any(_RUNS.search(text) for text in texts) or _RUNS.search(module.text):
        return
    if any("batch_norm" in text and _builds(text) for text in texts):
        yield from ops


def _builds(text: str) -> bool:
    return _BUILDS.search(without_comments(text)) is not None


def _is_for_any_loss(module: Module, op: ast.Call) -> bool:
    """Whether the loss is a parameter; of gradients, whether one is named so."""
    function = module.scopes.enclosing_function(op)
    if not isinstance(function, ast.FunctionDef):
        return False
    if getattr(op.func, "attr", "") == "apply_gradients":
        return any(_LOSS.search(name) for name in parameters(function))
    return bool(op.args) and any(
        isinstance(value, Parameter) for value in values(module, op.args[0])
    )
