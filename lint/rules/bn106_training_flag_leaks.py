"""BN106: a flag for one layer that the next ones get as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import FLAG_LEAKS, NONE_IS_INFERENCE
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class TrainingFlagLeaks(Rule):
    """A constant flag for one layer in `call` also reaches the layers called later.

    ## What it does
    Reports a call of batch normalization, or of a network that holds it, without
    `training`, after another layer in the same `call` was given a constant one, such
    as `self.base(x, training=False)`. Flags in a branch that may not run, frozen
    networks and classes that only infer are left alone.

    ## Why is this bad
    In Keras 3 a layer called without a flag takes the one last given to any layer in
    the same `call`: after False the running statistics never move, after True they keep
    moving in `predict`. Pass `training=training` to each.

    ## Limits
    Keras 3 only. A flag inside another layer's own `call` leaks as well, but is not
    followed. On JAX, nothing is inherited in the outermost `call` when `fit` runs it
    (BN113).

    ## References
    - https://keras.io/guides/making_new_layers_and_models_via_subclassing/
    """

    code = "BN106"
    name = "training-flag-leaks"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.base = keras.layers.BatchNormalization(trainable=False)
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x, training=None):
        x = self.base(x, training=False)
        return self.head(self.bn(x))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("self.bn(x)", "self.bn(x, training=training)")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every call that an earlier flag reaches."""
        for leak in source.leaked_flags(module):
            if any(
                leak.call is found_call.call
                for found_call in source.unflagged_on_jax(module)
            ):
                continue  # BN113: nothing is inherited there
            keras = source.keras_for(module)
            meaning = NONE_IS_INFERENCE if leak.flag is None else FLAG_LEAKS
            if not keras.has(meaning):
                continue
            if leak.flag is not True and _only_infers(module, leak):
                continue
            yield self.finding(
                f"this call gets the training={leak.flag} that {leak.giver} was given "
                f"before it: {_harm(leak.flag)}; pass training=training" + keras.caveat,
                module.location(leak.call),
                Severity.WARNING if keras.assumed else None,
            )


def _harm(flag: bool | None) -> str:
    if flag:
        return "its batch normalization updates its statistics in predict, too"
    return "its batch normalization never updates its statistics"


def _only_infers(module: Module, leak: source.Leak) -> bool:
    """Whether its class wraps something that was trained before."""
    usage = source.usage_of(module, leak.cls)
    named_so = source.hints.only_infers(leak.cls.node.name)
    return not usage.fitted and (usage.inferring or named_so)
