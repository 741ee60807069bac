"""BN114: new statistics of `stateless_call` that are thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class StatelessUpdatesDropped(Rule):
    """The new running statistics of a stateless call are thrown away.

    ## What it does
    Reports `model.stateless_call(..., training=True)` of a network that holds batch
    normalization, where nothing reads the second item of its result: it is `_`, or a
    name that is not used, or is returned to callers that do not use it. It is reported
    as info where another call of the network keeps its statistics, as beside a penalty.
    So is a call under a `keras.StatelessScope` for its weights that nothing reads from.
    A loop that writes the trainable variables alone back to the network, after such a
    training, is a warning.

    ## Why is this bad
    `stateless_call` changes nothing: the new running statistics are the second item of
    its result, and those of a scope are read by `scope.get_current_value`. If they are
    dropped, inference normalizes with mean 0 and variance 1.

    ## Limits
    Only results that are unpacked at once are followed, and callers in the same file.

    ## References
    - https://keras.io/guides/writing_a_custom_training_loop_in_jax/
    """

    code = "BN114"
    name = "stateless-updates-dropped"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
trainable = [variable + 0 for variable in model.trainable_variables]
non_trainable = [variable + 0 for variable in model.non_trainable_variables]
y, _ = model.stateless_call(trainable, non_trainable, x, training=True)
for variable, value in zip(model.non_trainable_variables, non_trainable):
    variable.assign(value)
"""
    good = bad.replace("y, _ =", "y, non_trainable =")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.layers[0].moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every call whose new statistics are dropped."""
        for call, surely in source.dropped_updates(module):
            yield self.finding(
                "the second item that this returns, the new running statistics, is not "
                "used, so they never move; keep it for the next step",
                module.location(call),
                None if surely else Severity.INFO,
            )
        for call, surely in source.dropped_in_scopes(module):
            yield self.finding(
                "nothing reads from this StatelessScope, so the new running statistics "
                "are lost with it and never move; keep "
                "scope.get_current_value(variable) of the non-trainable variables",
                module.location(call),
                None if surely else Severity.INFO,
            )
        for call in source.updates_left_behind(module):
            yield self.finding(
                "only trainable variables are written back to the network, so its "
                "running statistics stay as they were before training; write back "
                "non_trainable_variables too",
                module.location(call),
                Severity.WARNING,
            )
