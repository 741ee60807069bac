"""BN401: a bias that batch normalization cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import layers_before, source
from ..subjects.linear import is_linear
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class BiasBeforeBatchNorm(Rule):
    """A layer with a bias is followed directly by batch normalization.

    ## What it does
    Reports dense layers and convolutions with `use_bias=True` and without an
    activation whose output nothing but batch normalization reads. Off by default.

    ## Why is this bad
    Batch normalization subtracts the mean of each channel, and with it the bias, which
    gets no gradient and only costs memory and time. `beta` replaces it; write
    `use_bias=False`.

    ## Limits
    It does no harm, and ready-made networks are full of it: ResNet50 has 53.

    ## References
    - https://arxiv.org/abs/1502.03167 (section 3.2)
    """

    code = "BN401"
    name = "bias-before-batch-norm"
    severity = Severity.INFO
    default = False
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(3),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(1),
    ]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(320, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("Dense(3)", "Dense(3, use_bias=False)")
    proof = """\
dense = model.layers[0]
useless = dense.use_bias and np.abs(keras.ops.convert_to_numpy(dense.bias)).max() < 1e-4
healthy = not useless  # What 10 steps of training left of the bias is rounding.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such layer in the module, where it is built."""
        for pair in source.layers_before(module):
            if not (pair.alone and is_linear(pair.kind)):
                continue
            given = source.arguments(module, pair.layer, pair.kind)
            if given is None or given.get("use_bias", True) is not True:
                continue
            if given.get("activation") in (None, "linear"):
                yield self.finding(_MESSAGE, module.location(pair.layer))

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such layer of the model."""
        for pair in layers_before.layers_before(model):
            has_bias = pair.layer.config.get("use_bias", True)
            if pair.alone and pair.is_linear and has_bias and pair.on_channels:
                yield self.finding(_MESSAGE, model.at(pair.layer.path))


_MESSAGE = "the batch normalization after it cancels the bias; use use_bias=False"
