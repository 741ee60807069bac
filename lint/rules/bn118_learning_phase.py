"""BN118: the learning phase of a Keras 2 graph is wrong."""

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
    "TRAINS_IN_INFERENCE": (
        "with the learning phase fixed at 0, fit trains a graph of TensorFlow 1 in "
        "inference mode: batch normalization never updates its statistics, and dropout "
        "never drops; leave it out, as fit and predict set the phase themselves"
    ),
    "INFERS_IN_TRAINING": (
        "with the learning phase fixed at 1, predict and evaluate run a graph of "
        "TensorFlow 1 as in training: batch normalization uses the statistics of the "
        "batch, and dropout drops; leave it out, as fit and predict set the phase "
        "themselves"
    ),
    "EXPORTS_TRAINING": (
        "with the learning phase fixed at 1, the exported graph runs as in training: "
        "batch normalization uses the statistics of the batch, and dropout drops; call "
        "set_learning_phase(0) before the model is made or loaded"
    ),
    "TOO_LATE": (
        "the learning phase is set after the model was made or loaded, which keeps the "
        "one that it was made with; set it before that"
    ),
    "NO_EFFECT": (
        "the model was made or loaded before this, and predict and evaluate run it in "
        "the phase that they set themselves; leave it out"
    ),
    "CALLS_IN_TRAINING": (
        "with the learning phase fixed at 1, each plain call of the model runs it as "
        "in training: batch normalization uses the statistics of the batch, and "
        "dropout drops; leave it out, and pass training=True to calls that are to "
        "sample"
    ),
    "CALLED_BACK": (
        "a callback sets the learning phase, while fit, and evaluate within it, run "
        "the model in the phase that they set themselves; leave it out"
    ),
    "NOT_SET": (
        "the graph that is exported from this session still depends on the learning "
        "phase, if its model holds batch normalization or dropout: it fails to load or "
        "to run elsewhere, or runs in the wrong phase; call set_learning_phase(0) "
        "before the model is made or loaded"
    ),
    "CALLED_WITH_1": (
        "the learning phase is 1, which means training: batch normalization uses the "
        "statistics of the batch, and dropout drops; pass 0 for what predict computes"
    ),
}


class LearningPhase(Rule):
    """The learning phase of Keras 2 is fixed, or is missing where a graph is exported.

    ## What it does
    Reports `K.set_learning_phase(1)` before `predict` or `evaluate`, and
    `K.set_learning_phase(0)` before `fit`, where the file sets no other phase; an
    export of the graph of `K.get_session()` without `K.set_learning_phase(0)`, or with
    it after the model was made or loaded; and a function made by `K.function` with
    `K.learning_phase()` that is given 1, unless names or a loop say that it samples.
    So are a callback that sets the phase, and plain calls of a fitted model after
    `K.set_learning_phase(1)`. All are reported as info, as TensorFlow 2 obeys the phase
    only in plain calls of a model; an export in phase 1 is a warning.

    ## Why is this bad
    In a graph of TensorFlow 1 a fixed learning phase holds for training and inference
    alike. Keras sets it by itself: 1 in `fit`, 0 in `predict` and `evaluate`. A graph
    that is exported has no Keras that could set it, so it must be built in phase 0.

    ## Limits
    Networks are not examined: it is enough that the file names batch normalization or
    dropout, or loads a model. Keras 3 has no learning phase.

    ## References
    - https://github.com/tensorflow/tensorflow/issues/31331
    - https://github.com/qubvel/segmentation_models/issues/223
    """

    code = "BN118"
    name = "learning-phase"
    severity = Severity.INFO
    bad = """\
from keras import backend as K
from keras.layers import BatchNormalization, Dense
from keras.models import Sequential

K.set_learning_phase(1)
model = Sequential(
    [Dense(4, use_bias=False, input_shape=(4,)), BatchNormalization()]
)
model.compile("sgd", "mean_squared_error")


def classify(images):
    return model.predict(images)
"""
    good = bad.replace("K.set_learning_phase(1)\n", "")

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every place where the phase is wrong."""
        if not module.mentions("learning_phase", "get_session"):
            return
        for found in source.wrong_phases(module):
            exports = found.phase is source.Phase.EXPORTS_TRAINING
            yield self.finding(
                _MESSAGES[found.phase.name],
                module.location(found.node),
                Severity.WARNING if exports else None,
            )
