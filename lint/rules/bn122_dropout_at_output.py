"""BN122: dropout on the outputs of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from ..subjects.outputs import dropped_outputs
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module

_MESSAGE = (
    "dropout on the outputs of the network sets part of what it predicts to 0 in "
    "training, which no layer after it can make up for; put it before the last layer "
    "with weights"
)


class DropoutAtOutput(Rule):
    """Dropout is the last of a network, after all that learns.

    ## What it does
    Reports dropout with a rate above 0 in a trained model whose outputs come from it
    through nothing but activations and changes of shape. In source, it is the last
    layer of a `Sequential` model, or what a Functional one returns, where that model is
    compiled.

    ## Why is this bad
    In training, part of the predictions is 0, whatever the network learns, and the
    others are larger by 1 / (1 - rate): the loss cannot fall below what this costs.
    Under a softmax, the logits of the right class are dropped as often as the others.

    ## Limits
    In source, only models that one function builds and compiles without conditions are
    known.

    ## References
    - https://keras.io/api/layers/regularization_layers/dropout/
    - https://github.com/LoveHRTF/YouOnlyLookOnce-TF2.0/commit/9d1bcc7
    """

    code = "BN122"
    name = "dropout-at-output"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(1),
        keras.layers.Dropout(0.5),
    ]
)
model.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
x = np.random.default_rng(0).normal(0, 1, size=(640, 4)).astype("float32")
y = 3 + x[:, :1]
loss = model.fit(x, y, epochs=20, verbose=0).history["loss"][-1]
"""
    good = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(1),
    ]
)
model.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
x = np.random.default_rng(0).normal(0, 1, size=(640, 4)).astype("float32")
y = 3 + x[:, :1]
loss = model.fit(x, y, epochs=20, verbose=0).history["loss"][-1]
"""
    proof = """\
healthy = bool(loss < 3)  # Half of the predictions being 0 costs about 5.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such dropout where it is built."""
        for made in source.dropped_outputs(module):
            yield self.finding(_MESSAGE, module.location(made))

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such dropout of a trained model."""
        for layer in dropped_outputs(model):
            yield self.finding(_MESSAGE, model.at(layer.path))
