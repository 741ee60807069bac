"""BN208: averaged weights with running statistics that are not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class AveragedWeights(Rule):
    """Weights are averaged, and the running statistics stay those of the last ones.

    ## What it does
    Reports optimizers with `use_ema=True`, the callback `SwapEMAWeights`, and `SWA` and
    `MovingAverage` of TensorFlow Addons, where a network with batch normalization is
    compiled or fitted with them, or a loop lets `finalize_variable_values` write the
    averages to it, and nothing in the file estimates its statistics again.
    A callback of the project that sets averaged weights, and a loop that assigns
    averages of its own to the trainable variables, are reported as info.

    ## Why is this bad
    Only trainable weights are averaged. The running statistics are still those of the
    weights that training ended with, and fit the averaged network only roughly: it is
    evaluated with statistics of activations that it does not have. Estimate them again
    once the averages are in place, with `kerasbn.recalibrate(model, dataset)`.

    ## Limits
    Functions such as `recalibrate` or `update_bn` are known by their names.

    ## References
    - https://keras.io/api/callbacks/swap_ema_weights/
    - https://arxiv.org/abs/1803.05407
    """

    code = "BN208"
    name = "averaged-weights"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(5, 2, size=(320, 8)).astype("float32")
y = (x[:, :1] > 5).astype("float32")
model = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(32, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.Dense(1),
    ]
)
optimizer = keras.optimizers.Adam(0.03, use_ema=True, ema_momentum=0.98)
model.compile(optimizer, "mean_squared_error")
model.fit(x, y, epochs=8, verbose=0)
"""
    good = (
        bad
        + """\
import kerasbn

kerasbn.recalibrate(model, x)
"""
    )
    proof = """\
hidden = x @ keras.ops.convert_to_numpy(model.layers[0].kernel)
moving_mean = keras.ops.convert_to_numpy(model.layers[1].moving_mean)
shift = np.abs(moving_mean - hidden.mean(axis=0)) / hidden.std(axis=0)
healthy = bool(shift.max() < 0.1)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every optimizer or callback that averages such weights."""
        for call in source.averaged_weights(module):
            yield self.finding(
                "the weights are averaged, but the running statistics of batch "
                "normalization stay those of the last weights; estimate them again at "
                "the end: kerasbn.recalibrate(model, dataset)",
                module.location(call),
            )
        for call in source.own_averages(module):
            yield self.finding(
                "this callback sets averaged weights: if the network holds batch "
                "normalization, its running statistics fit them only roughly; estimate "
                "them again afterwards: kerasbn.recalibrate(model, dataset)",
                module.location(call),
                Severity.INFO,
            )
        for call in source.averages_put_in(module):
            yield self.finding(
                "averages of the trainable variables are put into the network, and its "
                "running statistics stay those of the last weights; estimate them "
                "again afterwards: kerasbn.recalibrate(model, dataset)",
                module.location(call),
                Severity.INFO,
            )
