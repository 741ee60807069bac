"""BN303: checkpoints of TensorFlow 1 without the running statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class StatisticsNotSaved(Rule):
    """In TensorFlow 1, a checkpoint leaves the running statistics out.

    ## What it does
    Reports a `tf.train.Saver` of TensorFlow 1 that is given trainable variables, and
    whose `save` is called, where the network holds `tf.layers.batch_normalization`, or
    `batch_norm` of contrib or slim. Where the module asks for all variables anywhere,
    or names the statistics or a `variables_collections`, it is left alone.

    ## Why is this bad
    The running statistics are variables, but not trainable ones: without them, a
    restored network normalizes with mean 0 and variance 1, or fails because they are
    uninitialized.

    ## Fix
    `tf.train.Saver()` saves all variables. If the checkpoint must stay small, add those
    whose names contain `moving_mean` or `moving_variance`.

    ## References
    - https://www.tensorflow.org/api_docs/python/tf/compat/v1/layers/batch_normalization
    """

    code = "BN303"
    name = "statistics-not-saved"
    severity = Severity.WARNING
    bad = """\
import tensorflow as tf

x = tf.placeholder(tf.float32, (None, 4))
is_training = tf.placeholder(tf.bool)
y = tf.layers.batch_normalization(x, training=is_training)
saver = tf.train.Saver(tf.trainable_variables())


def save(session, path):
    return saver.save(session, path)
"""
    good = bad.replace("Saver(tf.trainable_variables())", "Saver()")

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every saver that leaves them out."""
        if not module.mentions("Saver"):
            return
        for call in source.saved_without_statistics(module):
            yield self.finding(
                "the running statistics of batch normalization are not trainable, so "
                "this saver leaves them out; save all variables, with tf.train.Saver()",
                module.location(call),
            )
