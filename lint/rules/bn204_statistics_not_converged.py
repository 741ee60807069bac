"""BN204: running statistics that still hold much of their initial values."""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.model import BatchNorm, Model, Statistics

NEGLIGIBLE = 0.05
_ROUNDING = 1 - 1e-3  # A constant channel's variance is m^t itself.


class StatisticsNotConverged(Rule):
    """Training was too short for the momentum: running statistics are still biased.

    ## What it does
    After t steps a running statistic with momentum m is still m^t of its initial
    value. Reports layers of a saved model where that is more than 5 %.

    ## Why is this bad
    Inference normalises with a mean too near 0 and a variance too near 1, so it does
    worse than training showed. With momentum 0.99 it takes 299 steps to get below
    5 %, with 0.999 it takes 2995.

    ## Limits
    The number of steps is the optimizer's; where the file has none, or the model was
    compiled anew, the rule knows less. It is silent for frozen layers, for
    `zero_debias=True`, which has no such bias, and where a variance lower than m^t
    proves that there have been more updates than steps. Statistics that were set in
    another way, such as by `kerasbn.recalibrate`, cannot be told from biased ones.
    """

    code = "BN204"
    name = "statistics-not-converged"
    severity = Severity.WARNING
    saved_only = True
    bad = """\
import keras
import numpy as np

model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.99)]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(160, 4))
model.fit(x, x, batch_size=8, verbose=0)  # 20 steps.
"""
    good = """\
import keras
import numpy as np

model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.8)]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(160, 4))
model.fit(x, x, batch_size=8, verbose=0)
"""
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.layers[-1].moving_mean)
healthy = bool(np.abs(moving_mean - x.mean(axis=0)).max() < 1)
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Every layer that was updated, but too few times."""
        if not model.iterations:
            return
        for layer in model.batch_norms:
            left = _initial_part_left(layer, model.iterations)
            if left is None or left <= NEGLIGIBLE:
                continue
            statistics = layer.read_statistics()
            if statistics is not None and _may_be_biased(statistics, left):
                assert layer.momentum is not None
                needed = ceil(log(NEGLIGIBLE) / log(layer.momentum))
                yield self.finding(
                    f"running statistics not converged: after {model.iterations:,} "
                    f"steps with momentum {layer.momentum:g}, {left:.0%} of them is "
                    f"still the initial value; train for {needed:,} steps, lower the "
                    "momentum, or recalibrate",
                    model.at(layer.path),
                )


def _initial_part_left(layer: BatchNorm, steps: int) -> float | None:
    """m^t, or None where the statistics are no plain running average of all steps."""
    if "momentum" not in layer.config or layer.config.get("zero_debias"):
        return None
    momentum = layer.momentum
    if layer.frozen or layer.calls is None or momentum is None:
        return None
    if not 0 < momentum < 1:
        return None
    return float(momentum ** (steps * layer.calls))


def _may_be_biased(statistics: Statistics, left: float) -> bool:
    """Whether the layer was updated, and not provably more often than `steps`.

    Starting at 1, a variance cannot fall below the part of it that is left.
    """
    updated = bool((statistics.mean != 0).any() or (statistics.variance != 1).any())
    return updated and bool(statistics.variance.min() >= left * _ROUNDING)
