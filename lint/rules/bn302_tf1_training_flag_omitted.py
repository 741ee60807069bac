"""BN302: batch normalization of TensorFlow 1 that is left at its default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class Tf1TrainingFlagOmitted(Rule):
    """Batch normalization of TensorFlow 1 is called without its training flag.

    ## What it does
    Reports `tf.layers.batch_normalization` without `training`, and `batch_norm` of
    contrib or slim without `is_training`, also as a `normalizer_fn`, in an `arg_scope`
    too. Where an `arg_scope`, of the module or of one that imports it, gives
    `is_training` or may give it, contrib and slim are left alone.

    ## Why is this bad
    The defaults are opposite, and each is right only half the time: `tf.layers` takes
    False, so that it never normalizes with the batch and never updates its statistics;
    contrib and slim take True, so that in evaluation, too, the output for one sample
    depends on the others in its batch.

    ## Limits
    A graph that is built only for training, or only for inference, may be right; then
    say so with the argument.

    ## References
    - https://www.tensorflow.org/api_docs/python/tf/compat/v1/layers/batch_normalization
    """

    code = "BN302"
    name = "tf1-training-flag-omitted"
    severity = Severity.WARNING
    bad = """\
import tensorflow as tf

x = tf.placeholder(tf.float32, (None, 4))
is_training = tf.placeholder(tf.bool)
y = tf.layers.batch_normalization(x)
"""
    good = bad.replace("normalization(x)", "normalization(x, training=is_training)")

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every call that leaves the flag out."""
        if not module.mentions("batch_norm", "BatchNormalization"):
            return
        for call, flag, default in source.calls_without_flag(module):
            harm = (
                "in evaluation too it uses the statistics of the batch"
                if default
                else "it never normalizes with the batch, nor updates its statistics"
            )
            yield self.finding(
                f"{flag} is left out, and by default it is {default}: {harm}; pass "
                "your phase placeholder or flag",
                module.location(call),
            )
