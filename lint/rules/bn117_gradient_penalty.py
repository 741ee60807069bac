"""BN117: a penalty on the gradient of each sample, taken through batch statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class GradientPenalty(Rule):
    """A gradient penalty per sample is taken through batch normalization.

    ## What it does
    Reports the call of a network with batch normalization in training mode, under a
    `tf.GradientTape` whose gradients are taken for its input and whose size is
    calculated, in a file that trains by an optimizer. The same goes for
    `torch.autograd.grad`. For TensorFlow 1 it reports `tf.gradients(critic(x), [x])`
    whose size is compared with 1, if `critic` runs batch normalization, and
    `K.gradients` in a loss that `functools.partial` binds to the inputs. A critic that
    is handed in is reported as info, if the project has one with batch normalization.

    ## Why is this bad
    In training mode the score of a sample depends on all others in the batch, and so
    does its gradient: what is penalized is not the slope of the critic at that sample.
    Use `LayerNormalization` in the critic.

    ## Limits
    Only gradients that `tape.gradient` takes in the function of the tape, or
    `tf.gradients` for an argument of the call that makes its first.

    ## References
    - https://arxiv.org/abs/1704.00028
    - https://keras.io/examples/generative/wgan_gp/
    """

    code = "BN117"
    name = "gradient-penalty"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(0)
critic = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(1),
    ]
)
optimizer = keras.optimizers.SGD(0.01)


def penalty(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = critic(x, training=True)
    slope = tape.gradient(score, x)
    return tf.reduce_mean((tf.norm(slope, axis=1) - 1) ** 2)


def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(critic(x, training=True)) + penalty(x)
    gradients = tape.gradient(loss, critic.trainable_variables)
    optimizer.apply_gradients(zip(gradients, critic.trainable_variables))


x = tf.constant(np.random.default_rng(0).normal(5, 2, size=(8, 4)), "float32")
step(x)
"""
    good = bad.replace("BatchNormalization", "LayerNormalization")
    proof = """\
with tf.GradientTape() as tape:
    tape.watch(x)
    first = critic(x, training=True)[0]
by_others = tape.gradient(first, x)[1:]
healthy = bool(np.abs(by_others.numpy()).max() == 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every call of a network whose slope is penalized."""
        for call in source.penalties_through_batch_norm(module):
            yield self.finding(
                "the gradient of each sample is penalized, but through batch "
                "normalization it depends on the others in the batch; use "
                "LayerNormalization in this network",
                module.location(call),
            )
        for call, critic in source.penalized_out_of_sight(module):
            yield self.finding(
                "the gradient of each sample is penalized: if this network is a "
                f"{critic} with batch normalization, as the project has, it depends on "
                "the others in the batch; use LayerNormalization in it",
                module.location(call),
                Severity.INFO,
            )
