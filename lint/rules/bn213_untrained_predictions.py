"""BN213: predictions of batch normalization that nothing has trained."""

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


class UntrainedPredictions(Rule):
    """A script predicts with new batch normalization, and trains or loads nothing.

    ## What it does
    Reports the first `predict` of a script or notebook, for a network with batch
    normalization that is built there, where nothing trains it or gives it weights, and
    the predicted values are printed, plotted or compared.

    ## Why is this bad
    Prediction never updates the running statistics: as long as they are mean 0 and
    variance 1, batch normalization passes its input on nearly as it is, frozen or not.
    Train the network, load its weights, or call it with `training=True` to see it
    normalize by the batch.

    ## Limits
    Scripts that speak of shapes, time, summaries, or of the export or conversion of
    models are left alone, as there the values do not matter.

    ## References
    - https://stackoverflow.com/questions/47567655
    - https://stackoverflow.com/questions/64203611
    """

    code = "BN213"
    name = "untrained-predictions"
    severity = Severity.INFO
    bad = """\
import keras
import numpy as np

x = np.random.default_rng(0).normal(5, 2, size=(64, 4)).astype("float32")
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.9)]
)
normalized = model.predict(x, verbose=0)
is_centred = np.allclose(normalized.mean(), 0, atol=0.1)
"""
    good = bad.replace(
        "normalized =",
        """\
model.compile("sgd", "mean_squared_error")
model.fit(x, (x - x.mean(axis=0)) / x.std(axis=0), 64, epochs=50, verbose=0)
normalized =""",
    )
    proof = """\
healthy = bool(is_centred)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report the first prediction of a network that has not been trained."""
        for call in source.predicted_untrained(module):
            yield self.finding(
                f"{ast.unparse(call.func)} runs before any training: batch "
                "normalization still has mean 0 and variance 1, and passes its input "
                "on as it is; train the network, load its weights, or call it with "
                "training=True to normalize by the batch",
                module.location(call),
            )
