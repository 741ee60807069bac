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
    """Batch normalization is run by its method `call`, which sets no phase.

    ## What it does
    Reports `layer.call(x)` without `training`, for batch normalization or a network
    that holds it, in the `call` of a Keras class, in a `train_step` and under
    `tf.GradientTape`, and `net.call(x, training=True)` in such a step where that `call`
    does nothing with its flag, which is an error. In Keras 3 it also reports the
    `super().call(x)` of a class that extends batch normalization and never asks for the
    phase; other calls of `super().call` are left alone. It is reported as info in Keras
    2 where its `call` takes options and drops them, where such a class has a `call`
    without `training`, and where a Keras wrapper runs the `call` of what it wraps
    without passing the phase.

    ## Why is this bad
    Only `layer(x)` finds out whether it is being trained, builds the layer and tracks
    it: by `layer.call(x)` batch normalization runs in inference mode and never updates
    its statistics, or fails because it was not built. The layers that this `call` runs
    do not inherit the flag either.

    ## Limits
    Where the phase is passed and used, as in `net.call(x, training=training)`, nothing
    is reported, although `net(x, training=training)` is better still.

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
        """Report every such call."""
        for call in source.bypassing_calls(module):
            assert isinstance(call.func, ast.Attribute)
            layer = ast.unparse(call.func.value)
            yield self.finding(
                f"{layer}.call(...) does not get `training`, so batch normalization "
                f"never updates its statistics; write {layer}(...)",
                module.location(call),
            )
        for call in source.flags_ignored(module):
            assert isinstance(call.func, ast.Attribute)
            network = ast.unparse(call.func.value)
            yield self.finding(
                f"{network}.call does nothing with training=True, and run by itself it "
                "sets no phase for its layers, so batch normalization never updates "
                f"its statistics; write {network}(...), and pass training=training on",
                module.location(call),
                Severity.ERROR,
            )
        for call in source.wrapped_calls(module):
            yield self.finding(
                f"{ast.unparse(call.func)}(...) does not get `training`: batch "
                "normalization and dropout that are wrapped so stay in inference mode; "
                "write self.layer(...), and pass training=training on if it takes it",
                module.location(call),
                Severity.INFO,
            )
        without_flag = list(source.base_calls_without_flag(module))
        within = [
            module.scopes.enclosing_function(unflagged) for unflagged in without_flag
        ]
        for function in source.calls_without_parameter(module):
            if function not in within:
                yield self.finding(
                    "the call of this batch normalization has no parameter `training`, "
                    "so that model(x, training=True) does not reach it; write "
                    "call(self, inputs, training=None)",
                    module.header(function),
                    Severity.INFO,
                )
        for call in without_flag:
            keras = source.keras_for(module)
            era = " in TensorFlow 2" if keras.legacy else ""
            yield self.finding(
                f"{ast.unparse(call.func)}(...) does not get `training`, so this batch "
                f"normalization never updates its statistics{era}; take training=None "
                f"and pass training=training{keras.caveat}",
                module.location(call),
                Severity.INFO if keras.legacy else None,
            )
