"""BN002: a model does not show how its layers are connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Finding, Severity
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.model import Model


class NotInspectable(Rule):
    """A model could be checked only in part, because its graph is not known.

    ## What it does
    Reports a model of a class of your own, a subclass of `keras.Model`. Such a model is
    code: how `call` calls its layers is nowhere in the model. Its saved file does not
    even list its layers, only their weights. The running statistics are still checked.
    So are those in a file of weights alone, from `save_weights`, if it is named.
    In a saved Functional or Sequential model, each batch normalization inside a layer
    of your own is reported too.

    A live model is run once in training and once in inference mode, on random inputs of
    its shapes; where that fails, the message says why.

    ## Why is this bad
    How `call` calls the layers, above all whether it passes `training` on, was not
    checked here; lint the model's source as well.
    """

    code = "BN002"
    name = "not-inspectable"
    severity = Severity.INFO
    bad = """\
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x, training=training)


model = Net()
model.build((None, 4))
"""
    good = """\
import keras

inputs = keras.Input((4,))
model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """The model as a whole, if it has no graph, or each layer hidden in it."""
        for layer in model.hidden:
            yield self.finding(
                "not inspectable: it is inside a layer of your own, so only its "
                "running statistics were checked",
                model.at(layer.path),
            )
        probe = model.probe()
        failure = probe.failure if probe is not None else ""
        not_run = f"it could not be run to see its behaviour ({failure})"
        if model.graph is None:
            seen = "layers and their" if model.live is not None else "running"
            yield self.finding(
                f"not inspectable as a graph: only the {seen} statistics were checked"
                + (f", and {not_run}" if failure else ""),
                model.at(None),
            )
        elif failure:
            yield self.finding(not_run, model.at(None))
