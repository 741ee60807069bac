"""BN109: `layer.call(x)` where `layer(x)` is meant."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class CallMethodBypassed(Rule):
    """Batch normalization is run by its method `call`, which knows of no phase.

    ## What it does
    Reports `layer.call(x)` without `training`, for batch normalization or a network
    that holds it, in the `call` of a Keras class, in a `train_step` and under
    `tf.GradientTape`. `super().call(x)` is left alone.

    ## Why is this bad
    Only `layer(x)` finds out whether it is being trained, builds the layer and tracks
    it: by `layer.call(x)` batch normalization runs in inference mode and never
    updates its statistics, or fails because it was not built.

    ## Limits
    Where the phase is passed, as in `net.call(x, training=training)`, nothing is
    reported, although `net(x, training=training)` is better still.

    ## References
    - https://keras.io/api/layers/base_layer/
    """

    code = "BN109"
    name = "call-method-bypassed"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()
        self.bn.build((None, 4))
        self.head = keras.layers.Dense(1)

    def call(self, x, training=None):
        return self.head(self.bn.call(x))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("self.bn.call(x)", "self.bn(x, training=training)")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Every such call."""
        for call in source.bypassing_calls(module):
            assert isinstance(call.func, ast.Attribute)
            layer = ast.unparse(call.func.value)
            yield self.finding(
                f"{layer}.call(...) is not told of training, so batch normalization "
                f"never updates its statistics; write {layer}(...)",
                module.location(call),
            )
