"""BN203: running statistics that training never moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from ..subjects.model import keeps_forever
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from ..subjects.model import BatchNorm, Model, Statistics


class StatisticsNeverUpdated(Rule):
    """A model was trained, but its running statistics are still the initial ones.

    ## What it does
    Reports a batch normalization layer, not frozen, whose moving mean and variance
    all equal their initial values although the optimizer has taken steps. Where the
    number of steps is not known, a changed gamma or beta shows that the layer was
    trained; this is a warning only, since imported weights can look the same.

    ## Why is this bad
    The layer never normalized anything: it ran in inference mode throughout
    training. This is the trace of a lost `training` flag, in a `call` without the
    parameter (BN101) or a training loop that does not pass it (BN102).

    ## Limits
    Where only the weights of a layer are known, as in a subclassed model, the usual
    initial statistics are assumed, and gamma or beta count as changed if they are not
    the same in all channels; where these too are as at the start, the layer may be
    frozen, and it is reported as info. Silent for layers with `trainable=False`, and
    where a custom initializer of the statistics leaves the initial values unknown.
    """

    code = "BN203"
    name = "statistics-never-updated"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x):
        return self.head(self.bn(x))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(640, 4))
model.fit(x, x[:, :1], batch_size=8, epochs=4, verbose=0)
"""
    good = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x, training=None):
        return self.head(self.bn(x, training=training))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(640, 4))
model.fit(x, x[:, :1], batch_size=8, epochs=4, verbose=0)
"""
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean - x.mean(axis=0)).max() < 1)
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every layer that was trained and never updated."""
        for layer in model.batch_norms:
            if layer.frozen:
                continue
            statistics = layer.read_statistics()
            if statistics is None or not _untouched(layer, statistics):
                continue
            if model.iterations:
                unsure = _may_be_frozen(layer, statistics)
                yield self.finding(
                    "running statistics never updated: mean and variance still have "
                    f"their initial values after {model.iterations:,} training steps; "
                    + (_KEPT if keeps_forever(layer.momentum) else _NOT_CALLED)
                    + (_UNLESS_FROZEN if unsure else ""),
                    model.at(layer.path),
                    Severity.INFO if unsure else None,
                )
            elif _affine_was_trained(layer, statistics):
                yield self.finding(
                    "running statistics never updated: gamma or beta have changed, "
                    "mean and variance still have their initial values; unless the "
                    "weights were imported that way, it was not called in training "
                    "mode",
                    model.at(layer.path),
                    Severity.WARNING,
                )


_UNLESS_FROZEN = ", unless it is frozen, which the file does not say"
_NOT_CALLED = "the layer was not called in training mode"
_KEPT = (
    "momentum=1 keeps them for ever; use 0.99, or 1 - m for a layer with PyTorch's "
    "momentum m"
)


def _untouched(layer: BatchNorm, statistics: Statistics) -> bool:
    """Whether every moving mean and variance has its initial value.

    Where the file has no configuration of the layer, Keras' own zeros and ones are
    assumed: no data leave exactly these behind.
    """
    usual = {"moving_mean_initializer": "zeros", "moving_variance_initializer": "ones"}
    config = {**usual, **layer.config}
    return _all_are(
        statistics.mean, _constant(config["moving_mean_initializer"])
    ) and _all_are(
        statistics.variance, _constant(config["moving_variance_initializer"])
    )


def _may_be_frozen(layer: BatchNorm, statistics: Statistics) -> bool:
    """Whether only weights are known, and gamma and beta have not been trained either.

    A layer that is run in inference mode alone still trains these.
    """
    if layer.config or statistics.gamma is None or statistics.beta is None:
        return False
    return _all_are(statistics.gamma, 1.0) and _all_are(statistics.beta, 0.0)


def _affine_was_trained(layer: BatchNorm, statistics: Statistics) -> bool:
    """Whether gamma or beta is known to differ from its initial value."""
    for values, key in (
        (statistics.gamma, "gamma_initializer"),
        (statistics.beta, "beta_initializer"),
    ):
        if values is None or not values.size:
            continue
        if layer.config:
            initial = _constant(layer.config.get(key))
        else:  # Only weights are known: any constant may be the initial value.
            initial = float(values.flat[0])
        if initial is not None and not _all_are(values, initial):
            return True
    return False


def _all_are(values: NDArray[Any], initial: float | None) -> bool:
    return initial is not None and bool((values == initial).all())


def _constant(initializer: Any) -> float | None:
    """Return the value of every element, if the initializer is constant."""
    if isinstance(initializer, str):
        initializer = {"class_name": initializer}
    if not isinstance(initializer, dict):
        return None
    match str(initializer.get("class_name")).lower():
        case "zeros":
            return 0.0
        case "ones":
            return 1.0
        case "constant":
            options = initializer.get("config")
            value = options.get("value", 0.0) if isinstance(options, dict) else None
            return float(value) if isinstance(value, int | float) else None
    return None
