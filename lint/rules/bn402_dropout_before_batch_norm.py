"""BN402: dropout that shifts the variance that batch normalization measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import layers_before, source
from ..subjects.linear import DROPOUT
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class DropoutBeforeBatchNorm(Rule):
    """Dropout is followed directly by batch normalization.

    ## What it does
    Reports dropout with a rate above 0 whose output batch normalization reads. Off by
    default.

    ## Why is this bad
    Dropout makes the variance larger, but only in training, and that is when batch
    normalization measures it: in inference the standard deviation of the output is too
    small, by a factor of √(1 - rate) for inputs of mean 0. Put dropout after all batch
    normalization.

    ## Limits
    Dropout further upstream shifts the variance too, and is not reported. Networks
    often tolerate it.

    ## References
    - https://arxiv.org/abs/1801.05134
    """

    code = "BN402"
    name = "dropout-before-batch-norm"
    severity = Severity.INFO
    default = False
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dropout(0.5),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dense(4),
    ]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(0, 1, size=(3200, 4))
model.fit(x, x, verbose=0)
"""
    good = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(4),
    ]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(0, 1, size=(3200, 4))
model.fit(x, x, verbose=0)
"""
    proof = """\
(bn,) = [layer for layer in model.layers if "normalization" in layer.name]
variance = keras.ops.convert_to_numpy(bn.moving_variance)
healthy = bool((np.abs(variance - x.var(axis=0)) < 0.5).all())  # Not 2, for 1 / (1 - p)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such dropout in the module, where it is built."""
        for pair in source.layers_before(module):
            if pair.kind in DROPOUT:
                given = source.arguments(module, pair.layer, "Dropout")
                rate = None if given is None else given.get("rate")
                if isinstance(rate, int | float) and 0 < rate < 1:
                    yield self.finding(_message(rate), module.location(pair.layer))

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such dropout of the model."""
        for pair in layers_before.layers_before(model):
            rate = pair.layer.config.get("rate") if pair.kind in DROPOUT else None
            if isinstance(rate, int | float) and 0 < rate < 1:
                yield self.finding(_message(rate), model.at(pair.layer.path))


def _message(rate: float) -> str:
    factor = (1 - rate) ** 0.5
    return (
        "the batch normalization after it measures a variance that inference does not "
        f"have: of inputs with mean 0 it then returns {factor:.2g} of the standard "
        "deviation that it should; put dropout after it"
    )
