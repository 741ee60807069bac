"""BN202: a momentum with which the running average cannot converge."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..semantics import KerasVersion
    from ..subjects.model import Model
    from ..subjects.source import Module


class MomentumOutOfRange(Rule):
    """Momentum is not in [0, 1), so the running average cannot converge.

    ## What it does
    Reports batch normalization whose momentum (`decay` in contrib and slim) is
    negative, 1 or more. A dropout rate of 1 or more is reported as well, as a warning
    unless the code is surely for Keras 3; and, as info, a rate that is named as what is
    kept, and the first of 0.8 or more, which is usual for what is kept.

    ## Why is this bad
    With 1 the running statistics never move, above 1 they grow without bound, and below
    0 the old statistic enters with the wrong sign. Keras silently accepts any number.

    A rate is what is dropped, not what is kept. In Keras 3 a rate of 1 leaves only
    zeros in training; the first Keras dropped nothing then, and TensorFlow 2 fails.

    ## References
    - https://keras.io/api/layers/normalization_layers/batch_normalization/
    """

    code = "BN202"
    name = "momentum-out-of-range"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.BatchNormalization(momentum=1.1),
        keras.layers.Dense(1),
    ]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(400, 4))
model.fit(x, x[:, :1], batch_size=4, epochs=1, verbose=0)
"""
    good = bad.replace("momentum=1.1", "momentum=0.9")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.layers[0].moving_mean)
healthy = bool(np.abs(moving_mean - x.mean(axis=0)).max() < 1)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every momentum that is given to BN and out of range."""
        for momentum in source.momenta(module):
            if not 0 <= momentum.value < 1:
                what = f"{momentum.keyword}={momentum.value:g}"
                origin = f" ({momentum.origin})" if momentum.origin else ""
                message = _message(what + origin, momentum.value)
                yield self.finding(message, momentum.location)

        for rate in source.dropout_rates(module):
            message, severity = _about(rate, source.keras_for(module))
            yield self.finding(message, module.location(rate.node), severity)

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every BN layer whose momentum is out of range."""
        for layer in model.batch_norms:
            momentum = layer.momentum
            if momentum is not None and not 0 <= momentum < 1:
                message = _message(f"momentum={momentum:g}", momentum)
                yield self.finding(message, model.at(layer.path))


def _message(what: str, momentum: float) -> str:
    if momentum == 1:
        harm = "the running statistics never move"
    elif momentum > 1:
        harm = "the running statistics grow without bound"
    else:
        harm = "the old statistics enter with the wrong sign"
    return f"{what} is not in [0, 1): {harm}; use 0.9 to 0.999"


def _about(
    rate: source.DropoutRate, keras: KerasVersion
) -> tuple[str, Severity | None]:
    """The message about a rate of dropout, and its severity if it is not the rule's."""
    kept = ast.unparse(rate.node)
    sure = not (keras.legacy or keras.assumed)
    match rate.kind:
        case source.RateKind.IS_MOST:
            return (
                f"{rate.called} drops {rate.value * 100:.4g}% in training: it takes "
                "the rate of what is dropped; if so much is to be kept, pass "
                f"{1 - rate.value:.2g}",
                Severity.INFO,
            )
        case source.RateKind.IS_KEPT:
            return (
                f"{rate.called} takes the rate of what is dropped, and gets "
                f"{kept}; if that is what is kept, pass 1 - {kept}",
                Severity.INFO,
            )
        case source.RateKind.NO_SHARE:
            return (
                f"{rate.called} takes the share of what is dropped, and gets "
                f"{rate.value:g}: Keras 3 and tf.keras refuse that, and before, it "
                "dropped nothing; pass a rate below 1, or use Dense if these are units",
                None if sure else Severity.WARNING,
            )
    harm = "it outputs zeros in training"
    if not sure:
        harm = (
            "in Keras 3 it outputs zeros in training, before TensorFlow 2 it drops "
            "nothing, and in tf.keras 2 the call fails"
        )
    return (
        f"{rate.called} at a rate of 1: {harm}; pass the part that is to be dropped, "
        "below 1",
        None if sure else Severity.WARNING,
    )
