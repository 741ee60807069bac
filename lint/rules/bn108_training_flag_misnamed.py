"""BN108: a flag of `call` whose name Keras does not know."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import CALL_NEEDS_TRAINING, NONE_IS_INFERENCE
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class TrainingFlagMisnamed(Rule):
    """A `call` takes its phase as `is_training` or the like, which Keras never passes.

    ## What it does
    Reports a parameter such as `is_training` or `train` of the `call` of a Keras model
    or layer that has no `training`, if it has a default and is passed on to batch
    normalization, dropout or noise; and one from which their flag is worked out, as by
    `training=(mode == "train")`. It is a warning where nothing in sight fits or calls
    the class, and is not reported where some call passes the flag by that name.

    Also a flag that a layer or network of Keras gets itself: as in PyTorch,
    `network.training = False` is a warning where nothing reads that attribute, and
    `BatchNormalization(training=True)`, which has no such argument, is an error.

    ## Why is this bad
    Keras passes the phase only to `call`, and only as `training`, so the parameter
    keeps its default: with False or None the running statistics never move and dropout
    never drops, with True they keep moving in `predict`. An attribute `training`
    changes nothing at all.

    ## Limits
    Up to Keras 3.9 a layer that passes on None gets the phase from the model around it,
    and in Keras 2 so does a model; the rule is silent there.

    ## References
    - https://keras.io/guides/making_new_layers_and_models_via_subclassing/
    """

    code = "BN108"
    name = "training-flag-misnamed"
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

    def call(self, x, is_training=False):
        return self.head(self.bn(x, training=is_training))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("is_training=False", "training=None").replace(
        "is_training", "training"
    )
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such parameter, and flags of the layers themselves."""
        if module.mentions("def call"):
            yield from self._parameters(module)
        for attribute in source.flags_set(module):
            network = ast.unparse(attribute.value)
            yield self.finding(
                f"Keras reads no attribute `training`, so that this changes nothing; "
                f"set {network}.trainable to freeze it, or pass training where it is "
                "called",
                module.location(attribute),
                Severity.WARNING,
            )
        for given in source.flags_of_constructors(module):
            yield self.finding(
                "no layer of Keras takes `training` when it is made; pass it where the "
                "layer is called",
                module.location(given),
            )

    def _parameters(self, module: Module) -> Iterator[Finding]:
        """Report every such parameter of a `call`."""
        for flag in (*source.misnamed_flags(module), *source.worked_out_flags(module)):
            severity = _severity(module, flag)
            if severity is not None:
                caveat = source.keras_for(module).caveat if flag.default is None else ""
                yield self.finding(
                    f"Keras does not pass `{flag.argument.arg}`, only `training`: "
                    f"{_harm(flag)}; {_remedy(flag)}{caveat}",
                    module.location(flag.argument),
                    severity,
                )


def _severity(module: Module, flag: source.Misnamed) -> Severity | None:
    """Return the severity, by how surely the flag keeps its default; None if not."""
    is_model = source.keras_kind(flag.cls) != "layer"
    if flag.default is None:
        lost = CALL_NEEDS_TRAINING if is_model else NONE_IS_INFERENCE
        if not source.keras_for(module).has(lost):
            return None
    usage = source.usage_of(module, flag.cls, flag.argument.arg)
    steps_itself = source.fits_itself(flag.cls) or any(
        source.method_of(flag.cls, name) for name in ("train_step", "__call__")
    )
    fitted = usage.fitted and not steps_itself
    led = usage.flagged or usage.led
    if not fitted and (led or steps_itself or _only_infers(usage, flag)):
        return None
    if not fitted and module.may_hide(flag.cls.node.name):
        return None
    if source.freezes(module).covers_self_in(flag.cls.node):
        return None
    unsure = flag.default is None and source.keras_for(module).assumed
    used = fitted or usage.calls or usage.parts
    if not used and source.hands_out_of_sight(module, flag.argument.arg):
        return None
    return Severity.WARNING if unsure or not used else Severity.ERROR


def _only_infers(usage: source.Usage, flag: source.Misnamed) -> bool:
    return usage.inferring and flag.default is not True


def _harm(flag: source.Misnamed) -> str:
    what = ", ".join(sorted(flag.kinds))
    if flag.default is True:
        return f"predict too runs {what} in training mode"
    kept = "keeps its default" if flag.worked_out else f"stays {flag.default}"
    return f"it {kept}, and {what} stays in inference mode"


def _remedy(flag: source.Misnamed) -> str:
    return "take training in its place" if flag.worked_out else "name it training"
