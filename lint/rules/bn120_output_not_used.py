"""BN120: batch normalization or dropout whose output is thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class OutputNotUsed(Rule):
    """The output of batch normalization or dropout is thrown away.

    ## What it does
    Reports a statement that only calls batch normalization, dropout, noise or random
    augmentation, as `layers.Dropout(0.5)(x)` does, or `self.drop(x)` in the `call` of a
    layer or model.

    ## Why is this bad
    A layer returns what it makes of its input, and leaves the input as it is: nothing
    is dropped or normalized. Write `x = self.drop(x)`.

    ## Limits
    Outputs that are bound to a name and not used are not seen. Batch normalization that
    is called with training=True may be meant to move its statistics.

    ## References
    - https://keras.io/guides/making_new_layers_and_models_via_subclassing/
    """

    code = "BN120"
    name = "output-not-used"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.drop = keras.layers.Dropout(0.5)

    def call(self, x, training=None):
        self.drop(x, training=training)
        return x


net = Net()
x = np.ones((4, 8), "float32")
"""
    good = bad.replace("        self.drop(x", "        x = self.drop(x")
    proof = """\
trained = keras.ops.convert_to_numpy(net(x, training=True))
healthy = not np.array_equal(trained, x)  # Something is dropped in training.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such statement."""
        for call, layer in source.unused_outputs(module):
            yield self.finding(
                f"what {layer} returns is thrown away, so that it has no effect; "
                "assign it, as in x = ...",
                module.location(call),
            )
