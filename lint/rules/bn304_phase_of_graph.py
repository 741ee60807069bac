"""BN304: a graph of TensorFlow 1 that is run in the wrong phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module

_MESSAGES = {
    "EVALUATES_IN_TRAINING": (
        "{name} is fed True in an evaluation: batch normalization uses the statistics "
        "of the batch, and dropout drops; feed False"
    ),
    "TRAINS_IN_INFERENCE": (
        "{name} is fed False to the training op: batch normalization normalizes with "
        "its running statistics, which never move, and dropout never drops; feed True"
    ),
    "TRUE_BY_DEFAULT": (
        "{name} is True by default, and nothing here feeds False: whatever does not "
        "feed it, an exported graph above all, runs as in training; make False the "
        "default, and feed True in training"
    ),
    "NEVER_FED": (
        "{name} is False by default, and training never feeds it: batch normalization "
        "normalizes with its running statistics, which never move, and dropout never "
        "drops; feed True to the training op"
    ),
    "RESTORED": (
        "the graph that is restored here is trained, and nothing feeds its phase: if "
        "it holds batch normalization or dropout of Keras, it runs in inference mode; "
        "feed True to its learning phase, as in {{'keras_learning_phase:0': True}}"
    ),
    "FIXED_WHEN_BUILT": (
        "the graph keeps the {name} that it is built with, whatever it is set to "
        "later; use a placeholder, and feed it"
    ),
}


class PhaseOfGraph(Rule):
    """In TensorFlow 1, a graph is run in the wrong phase.

    ## What it does
    Reports a phase that is fed True where names say that a network is evaluated, or
    False to a training op; a `tf.placeholder_with_default(True, ...)` that is the flag
    of batch normalization or dropout, where sessions run and nothing feeds False; one
    that is False by default, where no training op is fed anything else; a restored
    graph that is trained, where nothing feeds a phase; and a Python attribute as a flag
    that other methods set to True and to False. They are reported as info, but for a
    phase that training never feeds, and for True that is fed to batch normalization in
    sight together with test or validation data.

    Reports as a warning, too, `tf.nn.dropout`, a `DropoutWrapper`, or dropout of slim
    and contrib without `is_training`, at a rate that is a number: in a function that
    has the phase at hand and does not ask for it, and in a graph that a script or class
    both trains and runs for predictions or an accuracy. Where only batches of the
    training are judged, that is info. Names that speak of noise, masks or a GAN are
    left alone, and so is what a condition leads to.

    ## Why is this bad
    A graph does what it is fed: in training mode batch normalization makes the output
    for one sample depend on the others in its batch, and dropout makes it random. A
    Python flag is read once, when the graph is built.

    ## Limits
    A placeholder is known by its use, or by names such as `is_training`. Feeds that
    another file makes are not seen.

    ## References
    - https://github.com/nelson-liu/paraphrase-id-tensorflow/pull/52
    - https://github.com/chiphuyen/stanford-tensorflow-tutorials/issues/100
    """

    code = "BN304"
    name = "phase-of-graph"
    severity = Severity.INFO
    bad = """\
import tensorflow as tf

x = tf.placeholder(tf.float32, (None, 4))
is_training = tf.placeholder(tf.bool)
y = tf.layers.batch_normalization(x, training=is_training)


def evaluate(session, x_test):
    return session.run(y, feed_dict={x: x_test, is_training: True})
"""
    good = bad.replace("True", "False")

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every place where the phase is wrong."""
        for dropout in source.constant_dropouts(module):
            yield self.finding(
                f"{dropout.called} drops at a constant rate, "
                f"{_where(dropout)}; {_remedy(dropout)}",
                module.location(dropout.node),
                Severity.WARNING if dropout.surely else None,
            )
        if not module.mentions(
            *("placeholder", "training", "learning_phase", "phase"),
            "import_meta_graph",
        ):
            return
        for found in source.fed_phases(module):
            yield self.finding(
                _MESSAGES[found.feed.name].format(name=found.name),
                module.location(found.node),
                Severity.WARNING if found.surely else None,
            )


def _where(dropout: source.ConstantDropout) -> str:
    if dropout.phase is None:
        return "and the graph is also run to predict or to evaluate: it drops there too"
    return f"whatever {dropout.phase} says: it drops in inference too"


def _remedy(dropout: source.ConstantDropout) -> str:
    off = "0.0" if dropout.rate == "rate" else "1.0"
    if dropout.phase is None:
        return (
            f"make {dropout.rate} a tf.placeholder_with_default({off}, ()), and feed "
            "it in training alone"
        )
    if dropout.takes_flag:
        return f"pass is_training={dropout.phase}"
    if dropout.is_wrapper:
        return f"pass {off} as {dropout.rate} in inference"
    return f"use tf.layers.dropout with training={dropout.phase}"
