"""BN206: a momentum for far longer training than took place."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import BatchNorm, Model, Statistics
    from ..subjects.source import Module

# With Keras' own default the training was short, which BN204 reports of models.
_USUAL = 0.99
_ROUNDING = 1 - 1e-3


class MomentumTooLarge(Rule):
    """Momentum averages over more batches than the whole training has.

    ## What it does
    Reports a momentum above 0.99 whose window of 1 / (1 - momentum) batches is longer
    than the training: in a saved model by the steps that its optimizer has taken, in
    source where every `fit` gives its steps in numbers, constants and expressions of
    these, or is given a Keras data set whose length is known. There the default of 0.99
    is reported as info, once, if the training has fewer steps than its window.

    ## Why is this bad
    After the last step more than a third of each running statistic is still its initial
    0 or 1, so inference normalizes with numbers that the data never had. Use a smaller
    momentum, or the same one with `zero_debias=True` of kerasbn.

    ## Limits
    The steps of an earlier training do not count in the optimizer of a later one. The
    rule is silent about a model in which a variance proves that there were more steps,
    about frozen layers, and about layers inside others.
    """

    code = "BN206"
    name = "momentum-too-large"
    severity = Severity.WARNING
    saved_only = True
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.999)]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(800, 4))
model.fit(x, x, batch_size=8, steps_per_epoch=100, epochs=2, verbose=0)
"""
    good = bad.replace("momentum=0.999", "momentum=0.9")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.layers[-1].moving_mean)
healthy = bool(np.abs(moving_mean - x.mean(axis=0)).max() < 1)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every momentum whose window exceeds all training in the module."""
        if not module.mentions("fit(", "fit_generator("):
            return
        steps = source.most_steps(module)
        for momentum in source.own_momenta(module) if steps else ():
            if _USUAL < momentum.value < 1 and _window(momentum.value) > (steps or 0):
                what = f"{momentum.keyword}={momentum.value:g}"
                yield self.finding(
                    _message(what, momentum.value, steps or 0), momentum.location
                )
        if steps and steps < _window(_USUAL) and not module.is_test:
            for call in islice(source.default_momenta(module), 1):
                what = f"momentum={_USUAL:g}, the default,"
                yield self.finding(
                    _message(what, _USUAL, steps),
                    module.location(call),
                    Severity.INFO,
                )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every layer whose window is longer than the training."""
        steps = model.iterations or 0
        found = list(_too_large(model, steps))
        if any(_was_updated_more(*candidate) for candidate in found):
            return
        for layer, _, momentum, _ in found:
            message = _message(f"momentum={momentum:g}", momentum, steps)
            yield self.finding(message, model.at(layer.path))


def _too_large(
    model: Model, steps: int
) -> Iterator[tuple[BatchNorm, Statistics, float, int]]:
    """Return the layers with fewer updates than their window is long."""
    for layer in model.batch_norms if steps else ():
        momentum = layer.momentum
        if momentum is None or not _USUAL < momentum < 1 or layer.frozen:
            continue
        if layer.config.get("zero_debias") or layer.calls is None:
            continue
        updates = steps * layer.calls
        if updates < _window(momentum):
            statistics = layer.read_statistics()
            if statistics is not None and (statistics.variance != 1).any():
                yield layer, statistics, momentum, updates


def _was_updated_more(
    _: BatchNorm, statistics: Statistics, momentum: float, updates: int
) -> bool:
    """Whether a variance proves, as in BN204, that there were more updates."""
    return bool(statistics.variance.min() < momentum**updates * _ROUNDING)


def _window(momentum: float) -> float:
    """Return roughly how many batches a running statistic averages."""
    return 1 / (1 - momentum)


def _message(what: str, momentum: float, steps: int) -> str:
    enough = max(0.9, 1 - 10 / steps) if steps else 0.9
    return (
        f"{what} is too large: it averages about {_window(momentum):,.0f} batches, and "
        f"the training has {steps:,}; use {enough:.3g}"
    )
