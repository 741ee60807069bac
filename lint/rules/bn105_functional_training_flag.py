"""BN105: a flag in a Functional graph that training overrides."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import FUNCTIONAL_FLAG_IS_OVERRIDDEN, keras_of_model
from ..subjects import source
from ..subjects.flagged_layers import flagged_layers
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class FunctionalTrainingFlag(Rule):
    """A Functional graph gives batch normalization a `training` that `fit` overrides.

    ## What it does
    Reports `training=True` or `training=False` in the call of batch normalization, or
    of a network that holds it, where a Functional graph is built for Keras 3.0 to 3.15,
    unless the layer or network is frozen. It is reported as info where the same file
    neither compiles nor fits the graph, which may be for inference alone. A flag of the
    constructor that a Functional model hands into its own graph is reported as info.
    For Keras 2 on TensorFlow 1, a network that is frozen, built without
    `training=False` and fitted is reported as info, and a layer that is made frozen.

    ## Why is this bad
    In these versions `fit` and `predict` override the flag: a base network called
    with `training=False` still updates its statistics during fine-tuning, although
    the code says it does not. Freeze with `trainable=False`: that is obeyed.

    Before Keras 2.4 it is the flag that is obeyed: batch normalization with
    `trainable=False` still normalizes with the batch in `fit`, and with its running
    statistics in `evaluate`, so that the two disagree on the same data.

    ## Fix
    Leaves `training=True` out, which is unsafe, as it may be intended. `training=False`
    is left to you: only you know what should be frozen.

    ## Limits
    Keras 2 and Keras 3.16 obey the flag: there BN103 and BN104 apply.

    ## References
    - https://keras.io/guides/transfer_learning/
    - https://github.com/keras-team/keras/pull/9965
    """

    code = "BN105"
    name = "functional-training-flag"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
inputs = keras.Input((4,))
base = keras.Sequential([keras.layers.BatchNormalization()])
outputs = keras.layers.Dense(1)(base(inputs, training=False))
model = keras.Model(inputs, outputs)
model.compile("sgd", "mean_squared_error")
"""
    good = bad.replace("outputs =", "base.trainable = False\noutputs =")
    proof = """\
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
moving_mean = keras.ops.convert_to_numpy(base.layers[0].moving_mean)
healthy = bool(np.abs(moving_mean).max() == 0)  # as training=False promises
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Constant flags where a graph is built, in the versions that override them."""
        for flagged in source.flagged_calls(module):
            keras = source.keras_for(module)
            in_graph = (
                flagged.where is source.FlagPlace.GRAPH and flagged.value is not None
            )
            if in_graph and keras.has(FUNCTIONAL_FLAG_IS_OVERRIDDEN):
                assert flagged.value is not None
                unsure = keras.assumed or flagged.maybe_frozen or not flagged.fitted
                yield self.finding(
                    _message(flagged.value, assumed=keras.assumed) + keras.caveat,
                    module.location(flagged.node),
                    Severity.INFO if unsure else None,
                    # False wants freezing instead, which is for the author to place.
                    source.flag_left_out(module, flagged) if flagged.value else None,
                )

        for flag in source.graph_flags(module):
            assert isinstance(flag.value, ast.Name)
            yield self.finding(
                f"the graph keeps the {flag.value.id} that the model is built with: "
                "fit and predict override it in Keras 3.0 to 3.15, and are overridden "
                "by True or False elsewhere; leave it out",
                module.location(flag),
                Severity.INFO,
            )

        for frozen in source.frozen_in_fit(module):
            where, instead = "", "call it with training=False"
            if frozen.network is not None:
                where = f" in {ast.unparse(frozen.network)}"
                instead = (
                    "build the network after K.set_learning_phase(0), and set that to "
                    "1 for the layers on top"
                )
            yield self.finding(
                f"before Keras 2.4, batch normalization{where} still normalizes "
                "with the batch in fit when it is frozen, and with its running "
                f"statistics in evaluate and predict; {instead}",
                module.location(frozen.node),
                Severity.INFO,
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Constant flags in the graph of a version that overrides them."""
        keras = keras_of_model(model.keras_version)
        if keras.has(FUNCTIONAL_FLAG_IS_OVERRIDDEN):
            for layer in flagged_layers(model):
                severity = Severity.INFO if keras.assumed else None
                yield self.finding(
                    _message(layer.value), model.at(layer.path), severity
                )


def _message(flag: bool, *, assumed: bool = False) -> str:
    """What happens to the flag; also in Keras 2 if the version is but assumed."""
    message = (
        f"training={flag} in a Functional graph is overridden by fit and predict in "
        "Keras 3.0 to 3.15"
    )
    if flag:
        if assumed:
            message += (
                ", and obeyed by Keras 2, where batch normalization uses the batch's "
                "own statistics in predict too"
            )
        return message + "; leave it out, or call the layer in a `call` of your own"
    return message + "; freeze with trainable=False instead"
