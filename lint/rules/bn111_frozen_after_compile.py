"""BN111: layers that are frozen or set free too late."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import FREEZING_NEEDS_COMPILE
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class FrozenAfterCompile(Rule):
    """Layers with batch normalization are frozen or set free without a new `compile`.

    ## What it does
    Reports `x.trainable = ...`, for a network with batch normalization, between two
    calls of `fit` (or `train_on_batch`) of a model that is not compiled in between; in
    Keras 2 also between its `compile` and its first `fit`.

    ## Why is this bad
    The training function that `compile` leads to keeps the layers as they were: what
    is frozen later goes on updating its statistics and weights, and what is set free
    later does not learn. Call `compile` after every change of `trainable`.

    ## Limits
    Only where all of it happens in the same function, in the order of the text. So it
    is on TensorFlow as long as the batches keep their shape; on JAX, Keras 3 fails with
    an error instead, and on PyTorch the change takes effect at once.

    ## References
    - https://keras.io/guides/transfer_learning/
    """

    code = "BN111"
    name = "frozen-after-compile"
    severity = Severity.INFO
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
base = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
model = keras.Sequential([base, keras.layers.Dense(1)])
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.compile("sgd", "mean_squared_error")
model.fit(x, x[:, :1], verbose=0)
before = base.layers[0].moving_mean.numpy()
base.trainable = False
model.fit(x, x[:, :1], verbose=0)
after = base.layers[0].moving_mean.numpy()
"""
    good = bad.replace(
        "base.trainable = False",
        'base.trainable = False\nmodel.compile("sgd", "mean_squared_error")',
    )
    proof = """\
healthy = bool(np.array_equal(before, after))
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Every change that comes too late."""
        if not module.mentions(".trainable") or module.may_hide("compile("):
            return
        before_fit = module.world.has(FREEZING_NEEDS_COMPILE)
        for change in source.late_changes(module, before_fit=before_fit):
            yield self.finding(
                f"{ast.unparse(change)} has no effect before the model is compiled "
                "again; call compile after it",
                module.location(change),
            )
