"""BN201: momentum so small that the running statistics are those of a few batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding, Fix
    from ..subjects.model import Model
    from ..subjects.source import Module

# Usual values in PyTorch code, where momentum is the weight of the new batch.
_OF_PYTORCH = (0.1, 0.05, 0.03, 0.01, 0.001)
_SUSPICIOUS = 0.8
_LOW = 0.9


class MomentumTooSmall(Rule):
    """Momentum is so small that the running statistics forget all but the last batches.

    ## What it does
    Reports batch normalization with a momentum below 0.9: an error for the values that
    PyTorch code uses (0.1, 0.05, 0.03, 0.01, 0.001), a warning for others below 0.8,
    and info below 0.9. Constants, defaults, `functools.partial`, `**dict` and arguments
    passed on by functions of the project are followed, as are numbers that are
    calculated, settings that are merged, set later or held by an object, the default of
    an option (of argparse, absl or click) whose name speaks of normalization, and
    `layer.momentum = ...`. A number that several layers get is reported once, at the
    number; if layers of several files get it, in its own file, if that is linted as
    well. In contrib and slim the argument is called `decay`.

    ## Why is this bad
    Keras keeps a share of `momentum` of the old statistic at each step, so the running
    statistics average about 1 / (1 - momentum) batches: with 0.1 just the last one, and
    inference depends on which batch happened to come last. PyTorch means the opposite
    by the word: its 0.1 is 0.9 in Keras.

    ## Fix
    Changes PyTorch's values to their equivalents in Keras, 0.1 to 0.9; a named number
    only if nothing but batch normalization uses it.

    ## Limits
    A momentum of 0 is sometimes intended, in meta-learning for instance: silence that
    line with `# noqa: BN201`. Where the file later sets a layer's `.momentum` to
    something else, it is reported as info. A default that the function may replace is
    not followed.

    ## References
    - https://keras.io/api/layers/normalization_layers/batch_normalization/
    - https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """

    code = "BN201"
    name = "momentum-too-small"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.BatchNormalization(momentum=0.1),
        keras.layers.Dense(1),
    ]
)
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(400, 4))
model.fit(x, x[:, :1], batch_size=4, epochs=1, verbose=0)
"""
    good = bad.replace("momentum=0.1", "momentum=0.9")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.layers[0].moving_mean)
# The mean of one batch of 4 is off by 1 (standard deviation 2 / sqrt(4)).
error = np.sqrt(np.mean((moving_mean - x.mean(axis=0)) ** 2))
healthy = bool(error < 0.5)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every momentum that is given to BN and too small."""
        for momentum in source.momenta(module):
            severity = _severity(momentum.value)
            if severity is not None:
                if _changes_later(momentum):
                    severity = Severity.INFO  # a schedule may start low
                what = f"{momentum.keyword}={momentum.value:g}"
                origin = f" ({momentum.origin})" if momentum.origin else ""
                message = _message(what + origin, momentum.value)
                fix = _fix(module, momentum)
                yield self.finding(message, momentum.location, severity, fix)

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every BN layer whose momentum is too small."""
        for layer in model.batch_norms:
            momentum = layer.momentum
            severity = None if momentum is None else _severity(momentum)
            if momentum is not None and severity is not None and not layer.frozen:
                message = _message(f"momentum={momentum:g}", momentum)
                yield self.finding(message, model.at(layer.path), severity)


def _severity(momentum: float) -> Severity | None:
    """Return the severity; None outside [0, 0.9)."""
    if not 0 <= momentum < _LOW:
        return None
    if momentum in _OF_PYTORCH:
        return Severity.ERROR
    return Severity.WARNING if momentum < _SUSPICIOUS else Severity.INFO


def _fix(module: Module, momentum: source.Momentum) -> Fix | None:
    """Replace the value by its equivalent in Keras."""
    if momentum.value not in _OF_PYTORCH or _changes_later(momentum):
        return None
    number = source.sole_number(module, momentum)
    meant = f"{1 - momentum.value:g}"
    return None if number is None else source.replaced(module, number, meant)


def _changes_later(momentum: source.Momentum) -> bool:
    return any(source.changes_later(user, momentum.value) for user in momentum.users)


def _message(what: str, momentum: float) -> str:
    batches = f"{1 / (1 - momentum):.2g}"
    message = (
        f"{what} is too small: the running statistics average only about "
        f"{batches} {'batch' if batches == '1' else 'batches'}; "
    )
    if momentum in _OF_PYTORCH:
        return message + f"PyTorch's {momentum:g} is {1 - momentum:g} in Keras"
    return message + "use 0.9 to 0.999"
