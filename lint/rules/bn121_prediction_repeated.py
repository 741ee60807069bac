"""BN121: the same prediction, made again and again."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import names, source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class PredictionRepeated(Rule):
    """`predict` is repeated on the same data, as if dropout dropped there.

    ## What it does
    Reports `predict` in a loop that only counts, on data that the loop does not change,
    where the results are kept and the network drops out. A network that is loaded or
    passed in is reported as info, where the spread of the results is computed.

    ## Why is this bad
    `predict` runs the network in inference mode, so that each result is the same and
    their spread is 0. Monte Carlo dropout calls the network with `training=True`. That
    also puts batch normalization in training mode: where a network holds it, call the
    dropout layers alone with `training=True`, when the network is built.

    ## Limits
    Files that set a flag or the learning phase, or speak of random numbers, are left
    alone, and so are loops that are timed.

    ## References
    - https://keras.io/api/layers/regularization_layers/dropout/
    - https://github.com/appeler/ethnicolr/commit/7bcb83e
    """

    code = "BN121"
    name = "prediction-repeated"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
)
x = np.ones((8, 4), "float32")
samples = [model.predict(x, verbose=0) for _ in range(10)]
"""
    good = bad.replace(
        "model.predict(x, verbose=0)",
        "keras.ops.convert_to_numpy(model(x, training=True))",
    )
    proof = """\
healthy = bool(np.ptp(np.stack(samples), axis=0).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such prediction."""
        for found in source.repeated_predictions(module):
            network = ast.unparse(found.network)
            given = ast.unparse(found.call.args[0])
            instead = f"call {network}({given}, training=True)"
            if names.BATCH_NORM in found.kinds:
                instead = (
                    "call the dropout layers with training=True when the network is "
                    "built, as the whole network would use the batch's statistics"
                )
            yield self.finding(
                "each of these predictions is the same, as dropout does not drop in "
                f"predict; for Monte Carlo dropout, {instead}",
                module.location(found.call),
                None if names.DROPOUT in found.kinds else Severity.INFO,
            )
