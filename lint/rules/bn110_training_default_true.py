"""BN110: a `call` that trains by default."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import names, source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


_ASSIGNING = ("assign", "assign_add", "assign_sub", "add_update")


class TrainingDefaultTrue(Rule):
    """A `call` has the default `training=True`, which reaches its layers.

    ## What it does
    Reports the default True of the parameter `training` in the `call` of a Keras model
    or layer that holds batch normalization, dropout or noise, which inherit it, gives
    it to sublayers that may hold them, or moves variables by it. So is that default of
    a function which runs a network that it is given, and takes gradients for its inputs
    or infers by its name, in a file that trains nothing.

    ## Why is this bad
    A plain `model(x)` then runs in training mode: it uses the statistics of the batch,
    and moves the running statistics with whatever it is shown; dropout drops. `fit`,
    `evaluate` and `predict` pass the flag and are right. Write `training=None`, as
    Keras does.

    ## Limits
    Callers that always pass the flag never meet the default.

    ## References
    - https://keras.io/guides/making_new_layers_and_models_via_subclassing/
    """

    code = "BN110"
    name = "training-default-true"
    severity = Severity.INFO
    bad = """\
import keras
import numpy as np


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=True):
        return self.bn(x, training=training)


model = Net()
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
"""
    good = bad.replace("training=True", "training=None")
    proof = """\
alone = keras.ops.convert_to_numpy(model(x[:1]))
among_others = keras.ops.convert_to_numpy(model(x))[:1]
healthy = bool(np.allclose(alone, among_others, atol=1e-3))
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such default."""
        for default in source.true_defaults(module):
            yield self.finding(
                "training=True by default: the network is given, and runs in training "
                "mode here, though nothing trains it: its output depends on the batch, "
                "its statistics move, and its dropout drops; write training=False",
                module.location(default),
            )
        yield from self._in_calls(module)

    def _in_calls(self, module: Module) -> Iterator[Finding]:
        if not module.mentions("def call"):
            return
        for node in module.classes:
            call = source.members(module, node).methods.get("call")
            if call is None or not source.takes_training(call):
                continue
            default = source.default_of(call, "training")
            if default is None or not _is_true(module, default):
                continue
            cls = source.Class(module, node)
            if source.keras_kind(cls) is None:
                continue
            kinds = source.kinds_handed_on(module, call, "training")
            passes_on = bool(kinds) or source.passes_flag_to_sublayers(module, call)
            if not passes_on:  # then what it holds inherits the flag
                kinds = source.kinds_of_class(cls) - {names.AUGMENTATION}
            if names.BATCH_NORM in kinds:
                harm = (
                    "a plain call runs batch normalization in training mode and moves "
                    "its statistics"
                )
            elif kinds or passes_on:
                harm = (
                    "a plain call runs what it holds in training mode, so that dropout "
                    "drops in inference"
                )
            elif _moves_state(call):
                harm = "a plain call moves the layer's state in inference, too"
            else:
                continue
            yield self.finding(
                f"training=True by default: {harm}; write training=None",
                module.location(default),
            )


def _moves_state(call: ast.AST) -> bool:
    """Whether a `call` changes variables of its own where its flag is on."""
    return any(
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "training"
        and any(
            isinstance(inner, ast.Attribute) and inner.attr in _ASSIGNING
            for statement in node.body
            for inner in ast.walk(statement)
        )
        for node in ast.walk(call)
    )


def _is_true(module: Module, default: ast.expr) -> bool:
    if isinstance(default, ast.Constant):
        return default.value is True
    return source.named_flag(module, default) is True
