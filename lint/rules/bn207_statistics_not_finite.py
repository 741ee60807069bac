"""BN207: running statistics that no data can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.model import Model, Statistics


class StatisticsNotFinite(Rule):
    """Running statistics are NaN or infinite, or a variance is negative.

    ## What it does
    Reads the moving mean and variance of each batch normalization layer and reports
    those with a value that no data can have.

    ## Why is this bad
    Inference returns NaN in those channels, and further training never heals it,
    because a running average keeps a NaN for ever. One batch with a NaN in it, or one
    training step that diverged, is enough; the loss may look fine again afterwards.

    ## Limits
    The model does not show what went wrong. `keras.callbacks.TerminateOnNaN` or a check
    of the data stops it where it begins.
    """

    code = "BN207"
    name = "statistics-not-finite"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np

model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(size=(64, 4))
x[7, 2] = np.nan  # One missing value in the data.
model.fit(x, np.zeros((64, 4)), verbose=0)
"""
    good = """\
import keras
import numpy as np

model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(size=(64, 4))
x[7, 2] = np.nan
x = np.nan_to_num(x)
model.fit(x, np.zeros((64, 4)), verbose=0)
"""
    proof = """\
healthy = bool(np.isfinite(model.predict(np.ones((1, 4)), verbose=0)).all())
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every layer with such a value."""
        for layer in model.batch_norms:
            statistics = layer.read_statistics()
            if statistics is None:
                continue
            problems = list(_impossible(statistics))
            if problems:
                yield self.finding(
                    f"impossible running statistics: {', '.join(problems)}; "
                    "restore a sound checkpoint, or recalibrate them on clean data",
                    model.at(layer.path),
                )


def _impossible(statistics: Statistics) -> Iterator[str]:
    import numpy as np  # It is loaded wherever there are arrays; source needs none.

    for name in ("mean", "variance"):
        values = np.asarray(getattr(statistics, name), np.float64)
        for count, what in (
            (np.isnan(values).sum(), "NaN"),
            (np.isinf(values).sum(), "infinite"),
            ((values < 0).sum() if name == "variance" else 0, "negative"),
        ):
            if count:
                yield f"moving {name} has {count} of {values.size} values {what}"
