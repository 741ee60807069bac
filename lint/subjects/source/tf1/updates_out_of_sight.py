"""Training ops and layers in a project that runs no updates, or not theirs."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.memo import found_once
from ..reading.nodes import last_word
from ..reading.text import without_comments
from ..reading.values import Class, Known, Parameter, Result, parameters
from ..resolving.classes import keras_kind, keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG
from .layer_updates import runs_layers
from .training_ops import training_ops

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
# Where the collection of updates is run, and where Keras' updates are added to it.
_FETCHES = re.compile(r"get_collection\([^)]{0,40}UPDATE_OPS")
_RUNS_LAYERS = re.compile(
    r"get_updates_for|add_update|\.updates\b|add_to_collections?\([^)]{0,60}UPDATE_OPS"
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


@found_once
def layers_out_of_sight(module: Module) -> Iterator[ast.Call]:
    """Yield each BN of Keras that is made and called at once, in either phase.

    Only where the project runs the collection of updates, and adds nothing to it.
    """
    made = [call for call in module.calls if _is_made_and_called(module, call)]
    if not made or runs_layers(module):
        return
    texts = [without_comments(text) for text in module.project.texts.by_path.values()]
    if any(map(_FETCHES.search, texts)) and not any(map(_RUNS_LAYERS.search, texts)):
        yield from made


def _is_made_and_called(module: Module, call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Call) or "atchNorm" not in last_word(
        call.func.func
    ):
        return False
    owner = module.scopes.enclosing_class(call)
    if owner is not None and keras_kind(Class(module, owner)) is not None:
        return False
    given = keyword(call, FLAG) or (call.args[1] if len(call.args) > 1 else None)
    return (
        given is not None
        and not isinstance(given, ast.Constant)
        and any(
            isinstance(value, Result)
            and isinstance(value.maker, Known)
            and value.maker.name.startswith("keras.layers.BatchNormalization")
            for value in values(module, call.func)
        )
    )
