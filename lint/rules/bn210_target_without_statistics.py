"""BN210: a target network that follows the weights but not the statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class TargetWithoutStatistics(Rule):
    """Weights are copied to a second network without the running statistics.

    ## What it does
    Reports loops over `zip(target.trainable_variables, network.trainable_variables)`,
    or over their indices, that assign one network's variables to the other, and calls
    of a helper that does so, where both hold batch normalization and nothing in the
    file names the non-trainable variables. It is reported as info where the target is
    only called with `training=True`, and for collections of TensorFlow 1.

    ## Why is this bad
    Running statistics are not trainable variables: the target gets the other's weights
    but keeps its own old statistics, so it computes something else. Loop over
    `variables`, or `weights`, which hold both.

    ## Limits
    Only networks that are built in sight are checked, also by a file that passes them.

    ## References
    - https://github.com/keras-team/keras-io/pull/246
    """

    code = "BN210"
    name = "target-without-statistics"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


def network():
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )


online, target = network(), network()
x = np.random.default_rng(0).normal(5, 2, size=(320, 4)).astype("float32")
online.compile("sgd", "mean_squared_error")
online.fit(x, x[:, :1], epochs=20, verbose=0)
for one, other in zip(target.trainable_variables, online.trainable_variables):
    one.assign(other)
"""
    good = bad.replace("trainable_variables", "variables")
    proof = """\
one, other = target.predict(x, verbose=0), online.predict(x, verbose=0)
healthy = bool(np.allclose(one, other, atol=1e-4))
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such loop."""
        for found in source.copies_without_statistics(module):
            yield self.finding(
                "trainable variables do not include the running statistics, so the "
                "target's stay as they were; loop over `variables`",
                module.location(found.place),
                Severity.INFO if found.in_training else None,
            )
        for copied in source.copied_collections(module):
            yield self.finding(
                "trainable variables do not include the running statistics, so where "
                "batch normalization infers in the target, its own stay as they were; "
                "copy tf.global_variables of the two scopes",
                module.location(copied),
                Severity.INFO,
            )
