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
    After t steps a running statistic with momentum m still holds a share m^t of its
    initial value. Reports layers of a model where that is more than 5 %.

    ## Why is this bad
    Inference normalizes with a mean too near 0 and a variance too near 1, so it
    performs worse than training suggested. With momentum 0.99 it takes 299 steps to get
    below 5 %, with 0.999 it takes 2995.

    ## Limits
    The number of steps is the optimizer's, and a file without one is skipped. A model
    that was compiled again, or built on a pretrained one, has had more updates than its
    optimizer counts. A variance lower than m^t proves this, and the rule is then silent
    about the whole model; deep networks nearly always have one. In a small model whose
    variances are all higher, converged statistics cannot be distinguished from biased
    ones, and the finding may be wrong; the same holds for statistics that were set in
    another way, such as by `kerasbn.recalibrate`. The rule is also silent for frozen
    layers, for `zero_debias=True`, which has no such bias, and inside other layers,
    such as `TimeDistributed`, which may update them several times a step.
    """

    code = "BN204"
    name = "statistics-not-converged"
    severity = Severity.WARNING
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
        """Report every layer that was updated, but too few times."""
        biased = list(_biased(model))
        if any(_was_updated_more(statistics, left) for _, statistics, left in biased):
            return
        for layer, statistics, left in biased:
            if _was_updated(statistics):
                assert layer.momentum is not None
                needed = ceil(log(NEGLIGIBLE) / log(layer.momentum))
                yield self.finding(
                    f"running statistics not converged: after {model.iterations:,} "
                    f"steps with momentum {layer.momentum:g}, {left:.0%} of them is "
                    f"still the initial value; train for {needed:,} steps, lower the "
                    "momentum, or recalibrate",
                    model.at(layer.path),
                )


def _biased(model: Model) -> Iterator[tuple[BatchNorm, Statistics, float]]:
    """Yield layers with too few steps, if all were counted, and the share left: m^t."""
    for layer in model.batch_norms if model.iterations else ():
        left = _initial_part_left(layer, model.iterations or 0)
        if left is not None and left > NEGLIGIBLE:
            statistics = layer.read_statistics()
            if statistics is not None:
                yield layer, statistics, left


def _initial_part_left(layer: BatchNorm, steps: int) -> float | None:
    """Return m^t, or None where the statistics are not a plain average of all steps."""
    if "momentum" not in layer.config or layer.config.get("zero_debias"):
        return None
    momentum = layer.momentum
    if layer.frozen or layer.calls is None or momentum is None:
        return None
    if not 0 < momentum < 1:
        return None
    return float(momentum ** (steps * layer.calls))


def _was_updated(statistics: Statistics) -> bool:
    """Whether the statistics are sound, and not the initial ones."""
    mean, variance = statistics.mean, statistics.variance
    changed = bool((mean != 0).any() or (variance != 1).any())
    return changed and bool((variance == variance).all())  # BN207 reports NaN.


def _was_updated_more(statistics: Statistics, left: float) -> bool:
    """Whether there were provably more updates than counted steps.

    Starting at 1, a variance cannot fall below the part of it that is left.
    """
    return bool(statistics.variance.min() < left * _ROUNDING)
