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


_SAVED = "this saver leaves them out; save all variables, with tf.train.Saver()"
_RESTORED = (
    "they are not restored here, and inference normalizes with mean 0 and variance 1; "
    "restore all variables of the network, as tf.train.Saver() does"
)


class StatisticsNotSaved(Rule):
    """In TensorFlow 1, a checkpoint is saved or restored without running statistics.

    ## What it does
    Reports a `tf.train.Saver` of TensorFlow 1 that is given trainable variables, and
    whose `save` is called or that is handed to a hook, where the network holds batch
    normalization of `tf.layers`, contrib, slim or Keras. Where nothing is trained, one
    that only restores is reported too, as are `init_from_checkpoint` and slim's
    `assign_from_checkpoint_fn`: as info unless the network is surely built for
    inference. Where the module asks for all variables anywhere, or names the statistics
    or a `variables_collections`, it is left alone.

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
        if not module.mentions("Saver", "from_checkpoint"):
            return
        for found in source.saved_without_statistics(module):
            yield self.finding(
                "the running statistics of batch normalization are not trainable, so "
                + (_RESTORED if found.restores else _SAVED),
                module.location(found.node),
                None if found.surely else Severity.INFO,
            )
