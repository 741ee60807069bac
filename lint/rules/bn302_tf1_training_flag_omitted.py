"""BN302: batch normalization of TensorFlow 1 that is left at its default."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import names, source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


_IN_ESTIMATOR = {
    names.BATCH_NORM: "it never normalizes with the batch, nor updates its statistics",
    names.DROPOUT: "its dropout never drops",
}


class Tf1TrainingFlagOmitted(Rule):
    """A layer of TensorFlow 1 is called without its training flag.

    ## What it does
    Reports `tf.layers.batch_normalization` without `training`, and `batch_norm` of
    contrib or slim without `is_training`, also as a `normalizer_fn`, in an `arg_scope`
    too; `tf.layers.dropout` without `training`; and batch normalization or dropout of
    Keras without it in the function of an Estimator, and, as info, dropout of Keras in
    a graph that a session trains without a learning phase. A function that opens an
    `arg_scope` and takes a flag that it never uses is reported as info; so are a flag
    with a default that no caller of a function passes (a warning for batch
    normalization that stays at False where it is trained), and layers that are picked
    from a table and called without one. Where an
    `arg_scope`, of the module or of one that imports it, gives `is_training` or may
    give it, contrib and slim are left alone.

    ## Why is this bad
    The defaults are opposite, and each is right only half the time: `tf.layers` takes
    False, so that it never normalizes with the batch and never updates its statistics;
    contrib and slim take True, so that in evaluation, too, the output for one sample
    depends on the others in its batch. Dropout of `tf.layers`, too, does nothing by
    default. In an Estimator nothing sets the phase of Keras' layers.

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
        yield from self._dropouts(module)
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
        for argument, function in source.unused_flags(module):
            yield self.finding(
                f"{argument.arg} is taken and used nowhere in {function}, so that "
                "batch normalization of contrib or slim in it stays in training mode, "
                "unless a scope around it says otherwise; put it into the arg_scope",
                module.location(argument),
                Severity.INFO,
            )

    def _dropouts(self, module: Module) -> Iterator[Finding]:
        """Report dropout that never drops, and layers of Keras in Estimators."""
        for call in source.dropouts_without_flag(module):
            yield self.finding(
                "training is left out, and by default it is False: dropout never "
                "drops; pass your phase placeholder or flag",
                module.location(call),
            )
        for left in source.unpassed_flags(module):
            if left.default:
                harm = "in inference too it uses the batch's statistics"
            else:
                harm = "it never updates its statistics"
            if not left.normalizes:
                harm = "it drops in inference" if left.default else "it never drops"
            surely = left.normalizes and left.trains and not left.default
            yield self.finding(
                f"nothing passes {left.node.id} to {left.function}, and by default it "
                f"is {left.default}: {harm}; pass your phase placeholder or flag",
                module.location(left.node),
                None if surely else Severity.INFO,
            )
        for call in source.unflagged_of_tables(module):
            yield self.finding(
                f"{ast.unparse(call.func)} may be batch normalization or dropout of "
                "tf.layers, and gets no training, which is False by default: it never "
                "updates its statistics, and never drops; pass your phase to those two",
                module.location(call),
                Severity.INFO,
            )
        for call, kind in source.unflagged_in_estimators(module):
            yield self.finding(
                "training is left out, and nothing sets the phase of Keras' layers in "
                f"an Estimator: {_IN_ESTIMATOR[kind]}; pass "
                "training=(mode == tf.estimator.ModeKeys.TRAIN)",
                module.location(call),
            )
        for call in source.unflagged_in_sessions(module):
            yield self.finding(
                "training is left out, and nothing feeds the learning phase of Keras' "
                "layers to this session: its dropout never drops; pass your phase "
                "placeholder as training, or feed K.learning_phase()",
                module.location(call),
                Severity.INFO,
            )
