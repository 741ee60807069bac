"""BN205: running variances that no varying input can produce."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import BatchNorm, Model, Statistics

_CHANNELS_TO_COMPARE = 4
_EQUAL = 1e-5  # Decay alone is the same in each channel, up to rounding.
_LOW = 0.5  # Of the initial 1.
_NOTHING = 1e-12


class VarianceCollapsed(Rule):
    """The running variance shrank in every channel alike, as if nothing varied.

    ## What it does
    Reports a batch normalization layer, not frozen, that was trained and whose moving
    variance is the same small number in every channel, or practically 0 in all.

    ## Why is this bad
    The layer saw batches without any variance, most often a single sample per batch,
    and so in training its output was constant whatever the input. Inference divides by
    a variance that only decays, and returns something else entirely.

    ## Limits
    With fewer than four channels, only a variance of practically 0 is reported, since
    few numbers may be equal by chance. A layer whose inputs are all the same for
    another reason, such as dead activations, looks the same.
    """

    code = "BN205"
    name = "variance-collapsed"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(400, 4))
model.fit(x, x[:, :1], batch_size=1, epochs=1, verbose=0)
"""
    good = bad.replace("batch_size=1, epochs=1", "batch_size=16, epochs=16")
    proof = """\
variance = keras.ops.convert_to_numpy(model.layers[0].moving_variance)
healthy = bool((np.abs(variance / x.var(axis=0) - 1) < 0.5).all())
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such layer."""
        for layer in model.batch_norms:
            statistics = None if layer.frozen else layer.read_statistics()
            if statistics is not None and _is_collapsed(layer, statistics):
                largest = float(statistics.variance.max())
                yield self.finding(
                    f"moving variance collapsed to {largest:.2g} in every channel: in "
                    "training the batches had no variance at all; train on more than "
                    "one sample per batch, or use another normalization",
                    model.at(layer.path),
                )


def _is_collapsed(layer: BatchNorm, statistics: Statistics) -> bool:
    """Whether all variances shrank from 1 without ever seeing a batch that varies."""
    variance = statistics.variance
    if not variance.size or not (variance >= 0).all():  # BN207 reports these.
        return False
    if "moving_variance_initializer" in layer.config and not _starts_at_one(layer):
        return False
    smallest, largest = float(variance.min()), float(variance.max())
    if largest < _NOTHING:
        return True
    alike = largest - smallest <= _EQUAL * largest
    return alike and largest < _LOW and variance.size >= _CHANNELS_TO_COMPARE


def _starts_at_one(layer: BatchNorm) -> bool:
    initializer = layer.config["moving_variance_initializer"]
    if isinstance(initializer, dict):
        initializer = initializer.get("class_name")
    return str(initializer).lower() == "ones"
