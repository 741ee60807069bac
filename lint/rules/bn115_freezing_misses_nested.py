"""BN115: batch normalization is frozen layer by layer, and that of a base is missed."""

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


class FreezingMissesNested(Rule):
    """A loop over `model.layers` does not reach the batch normalization of a base.

    ## What it does
    Reports loops over `model.layers` that freeze batch normalization, or unfreeze
    everything else, by `isinstance`, where a network with batch normalization that is
    not frozen is one layer of the model. A loop that freezes all layers of a network
    but its batch normalization is reported as info.

    ## Why is this bad
    `model.layers` holds a network that was called as one layer, so that the loop sees
    none of its batch normalization: its statistics and weights keep moving. Loop over
    the layers of that network.

    Batch normalization that is left out of the freezing adapts its statistics, gamma
    and beta to the new data, under weights that stay. That may be meant, and on Keras 2
    with TensorFlow 1 a frozen layer still normalized by the batch in training; from
    TensorFlow 2 on it keeps what it has learned, which small data sets need.

    ## Limits
    Only models that are built in sight are checked. A base built with `input_tensor` is
    flat.

    ## References
    - https://keras.io/guides/transfer_learning/
    """

    code = "BN115"
    name = "freezing-misses-nested"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
base = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
inputs = keras.Input((4,))
model = keras.Model(inputs, keras.layers.Dense(1)(base(inputs)))
for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("in model.layers", "in base.layers")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(base.layers[0].moving_mean)
healthy = bool(np.abs(moving_mean).max() == 0)  # frozen, as it was meant to be
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such loop."""
        for loop, inner in source.loops_that_miss(module):
            head = loop.iter if isinstance(loop, ast.For) else loop
            yield self.finding(
                f"this loop sees {inner} as one layer, and none of its batch "
                f"normalization, which goes on training; loop over {inner}.layers",
                module.place(module.start(loop), module.end(head)),
            )
        for loop, network in source.loops_that_leave_out(module):
            yield self.finding(
                f"all of {network} is frozen but its batch normalization, whose "
                "statistics, gamma and beta go on moving; freeze it as well, unless "
                "it is meant to adapt",
                module.place(module.start(loop), module.end(loop.iter)),
                Severity.INFO,
            )
