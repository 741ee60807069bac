"""BN116: a network that is not trained is run as in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class UntrainedInTrainingMode(Rule):
    """A network that nothing trains there is called with `training=True`.

    ## What it does
    Reports `training=True` in the call of a network with batch normalization in a
    training step, or a loop, that takes gradients for other networks only, if nothing
    in the file takes any for this one: a teacher. It is a warning where the network is
    fitted or loaded in the same file, else it is reported as info. Such a call is also
    reported in a function whose name says that it chooses an action, and which takes no
    gradients; and, as info, of a network whose weights are loaded, or of
    `keras.applications`, that nothing in the file trains.

    ## Why is this bad
    The network is meant to stay as it is, but its running statistics move with whatever
    passes through it, and its output for one sample depends on the others in the batch:
    an agent that acts on one state at a time sees a batch of one. Pass
    `training=False`.

    ## Fix
    Passes False, which is unsafe, as the flag may be intended.

    ## Limits
    Networks that are trained elsewhere in the file are left alone, as generators are
    while a critic is trained.

    ## References
    - https://keras.io/guides/transfer_learning/
    """

    code = "BN116"
    name = "untrained-in-training-mode"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(0)


def network():
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )


teacher, student = network(), network()
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
teacher.compile("sgd", "mean_squared_error")
teacher.fit(x, x[:, :1], epochs=20, verbose=0)
before = teacher.predict(x, verbose=0)
optimizer = keras.optimizers.SGD(0.01)


def distill(x):
    wanted = teacher(x, training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((student(x, training=True) - wanted) ** 2)
    gradients = tape.gradient(loss, student.trainable_variables)
    optimizer.apply_gradients(zip(gradients, student.trainable_variables))


distill(x - 3)
"""
    good = bad.replace("teacher(x, training=True)", "teacher(x, training=False)")
    proof = """\
healthy = bool(np.array_equal(before, teacher.predict(x, verbose=0)))
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every teacher, and every network that acts, in training mode."""
        for flag, surely in source.teachers_in_training(module):
            yield self.finding(
                "no gradient is taken for this network, but training=True moves its "
                "running statistics with this data; pass training=False",
                module.location(flag),
                None if surely else Severity.INFO,
                source.replaced(module, flag, "False", safe=False),
            )
        for flag in source.actions_in_training(module):
            yield self.finding(
                "nothing is trained where an action is chosen, but training=True "
                "normalizes each state by its own batch and moves the running "
                "statistics; pass training=False",
                module.location(flag),
                fix=source.replaced(module, flag, "False", safe=False),
            )
        for flag in source.finished_in_training(module):
            yield self.finding(
                "this network comes with its weights and nothing here trains it, but "
                "training=True moves its running statistics with this data and makes "
                "its output depend on the batch; pass training=False",
                module.location(flag),
                Severity.INFO,
                source.replaced(module, flag, "False", safe=False),
            )
