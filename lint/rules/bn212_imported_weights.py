"""BN212: weights of another framework in Keras' batch normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class ImportedWeights(Rule):
    """Weights of another framework come in another order, or with another epsilon.

    ## What it does
    Reports `set_weights([...])`, and `weights=[...]` of a layer, with arrays that by
    their names are gamma, beta, mean and variance in another order than this; gamma or
    beta may be missing. Where the weights are PyTorch's `running_mean` and
    `running_var`, or are given as `weights=` to a layer, and the file names no epsilon,
    the first layer with Keras' default is reported as info.

    ## Why is this bad
    The arrays of a layer have the same shape, so that nothing fails when they are
    exchanged: the layer computes something else. Keras takes gamma, beta, moving mean
    and moving variance. Its epsilon is 1e-3, that of PyTorch, Caffe and Darknet 1e-5:
    where a variance is small, the outputs differ.

    ## Limits
    Arrays are known by the words in their names, or in what a name stands for.

    ## References
    - https://github.com/keras-team/keras/pull/3248
    - https://github.com/gzuidhof/nn-transfer/pull/3
    """

    code = "BN212"
    name = "imported-weights"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

x = np.random.default_rng(0).normal(5, 2, size=(64, 4)).astype("float32")
gamma, beta = np.ones(4), np.zeros(4)
mean, variance = x.mean(axis=0), x.var(axis=0)
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(epsilon=1e-5)]
)
model.layers[-1].set_weights([mean, variance, gamma, beta])
"""
    good = bad.replace("[mean, variance, gamma, beta]", "[gamma, beta, mean, variance]")
    proof = """\
normalized = model.predict(x, verbose=0)
healthy = bool(abs(normalized.mean()) < 0.01 and abs(normalized.std() - 1) < 0.01)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every list in another order, and a default epsilon."""
        if not module.mentions("set_weights", "weights="):
            return
        for given, found in source.misordered_weights(module):
            yield self.finding(
                "batch normalization takes gamma, beta, moving mean and moving "
                f"variance in this order; here they are {', '.join(found)}",
                module.location(given),
            )
        for call in source.default_epsilons(module):
            yield self.finding(
                "the weights come from elsewhere, and epsilon is left at Keras' 1e-3: "
                "PyTorch, Caffe and Darknet use 1e-5; pass the epsilon that they were "
                "trained with",
                module.location(call),
                Severity.INFO,
            )
